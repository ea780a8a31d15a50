//! How a program's actions are done, and what each must answer.

use crate::contract::Subject;
use crate::mistakes::Mistake;
use crate::program::{Action, Kind, Which};
use crate::stage::{Inside, ms};
use reactor::error::{RunError, StartTlsError};
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

/// The name in the certificate, for programs that speak TLS.
pub(crate) const SERVER_NAME: &str = "server";

pub(crate) fn address_of(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1 + host as u8))
}

/// What a panic of a program carries.
pub(crate) struct OnPurpose;

impl Inside {
    pub(crate) fn do_one(&self, action: Action) {
        let (stage, host) = (&self.stage, self.host);
        use Action::*;
        match action {
            Write(..) | WritePieces(..) | Lose(_) | HalfClose(_) | Abort(_) | Pause(_) | Resume(_)
            | PauseWhenFull(..) | SetMaxBuffered(..) | Linger(_) | StartTls(_) | Register(..) | Unregister(_) => {
                self.do_to_connection(action);
            }
            Listen(number) => stage.listen(host, number),
            StopListening(which) => stage.stop_listening(
                host,
                which,
                self.number_of(|it| match it {
                    Subject::Port(port) => Some(port),
                    _ => None,
                }),
            ),
            Connect(number) => stage.connect(host, number),
            ConnectOnce(number) => stage.connect_once(host, number),
            CancelConnect(which) => {
                let own = self.number_of(|it| match it {
                    Subject::Once(once) => Some(once),
                    _ => None,
                });
                stage.cancel_connect(host, which, own);
            }
            Reconnect(which) | StopConnecting(which) | Disconnect(which) => self.do_to_connector(action, which),
            Refuse => stage.hosts[host].refuses.set(true),
            Later(delay) => stage.later(host, ms(delay.into()), || {}),
            CancelTimer(which) | ResetTimer(which, _) | DelayTimer(which, _) => self.do_to_timer(action, which),
            Soon => stage.soon(host),
            NewDeferred(callbacks) => drop(stage.new_deferred(host, callbacks.into()).map(|it| it.detach())),
            Fire(which) | Fail(which) | Cancel(which) => self.do_to_deferred(action, which),
            OpenUdp(number) => stage.open_udp(host, number),
            Send(which, to, len) => stage.send(host, which, to, len.into()),
            CloseUdp(which) => stage.close_udp(host, which),
            AddTrigger(phase, result) => stage.add_trigger(host, phase, result),
            RemoveTrigger(which) => stage.remove_trigger(host, which),
            Run | Iterate => self.run_inside(action),
            Stop => {
                stage.contract().stop(host);
                if !stage.makes(Mistake::IgnoresStop) {
                    stage.reactor(host).stop();
                }
            }
            Panic if thread::panicking() => {}
            Panic => std::panic::resume_unwind(Box::new(OnPurpose)),
        }
    }

    /// The number of what the callback is about, if it is of the right kind.
    fn number_of(&self, kind: impl FnOnce(Subject) -> Option<usize>) -> Option<usize> {
        kind(self.subject())
    }

    fn do_to_connection(&self, action: Action) {
        let (stage, host) = (&self.stage, self.host);
        use Action::*;
        let (Write(which, _)
        | WritePieces(which, _)
        | Lose(which)
        | HalfClose(which)
        | Abort(which)
        | Pause(which)
        | Resume(which)
        | PauseWhenFull(which, _)
        | SetMaxBuffered(which, _)
        | Linger(which)
        | StartTls(which)
        | Register(which, _)
        | Unregister(which)) = action
        else {
            return;
        };
        let Some((end, transport)) = stage.hosts[host].transports.pick(which, self.own_end()) else { return };
        match action {
            Write(_, len) => stage.write(end, &transport, len),
            WritePieces(_, count) => stage.write_pieces(end, &transport, count.into()),
            Lose(_) => {
                stage.contract().lose(end);
                stage.request(host, &[], || match () {
                    () if stage.makes(Mistake::IgnoresLose) => {}
                    () if stage.makes(Mistake::LosesAtOnce) => transport.abort_connection(),
                    () => transport.lose_connection(),
                });
            }
            HalfClose(_) => {
                stage.contract().half_close(end);
                if !stage.makes(Mistake::IgnoresHalfClose) {
                    stage.request(host, &[], || transport.lose_write_connection());
                }
            }
            Abort(_) => {
                stage.contract().abort(end);
                stage.request(host, &[], || match stage.makes(Mistake::AbortsInOrder) {
                    true => transport.lose_connection(),
                    false => transport.abort_connection(),
                });
            }
            Pause(_) => {
                stage.contract().pause(end);
                if !stage.makes(Mistake::IgnoresPause) {
                    stage.request(host, &[], || transport.pause_producing());
                }
            }
            Resume(_) => {
                stage.contract().resume(end);
                if !stage.makes(Mistake::IgnoresResume) {
                    stage.request(host, &[], || transport.resume_producing());
                }
            }
            PauseWhenFull(_, on) => {
                stage.contract().pause_when_full(end, on);
                stage.request(host, &[], || transport.pause_when_full(on));
            }
            SetMaxBuffered(_, bytes) => {
                stage.contract().ends[end].max_buffered = bytes.into();
                transport.set_max_buffered(bytes as usize);
            }
            Linger(_) => transport.linger_on_close(),
            StartTls(_) => {
                let result = transport.start_tls(&[]);
                let holds = matches!(result, Err(StartTlsError::NotPlainFirst | StartTlsError::AlreadyTls));
                stage.contract().expect(holds, format_args!("start_tls of {end} gives {result:?}"));
            }
            Register(_, shape) => stage.register(host, end, &transport, shape),
            Unregister(_) => stage.unregister(host, end, &transport),
            _ => {}
        }
        if !self.stage.look().is_dead(host) {
            stage.look_at(end, &transport);
        }
    }

    fn do_to_connector(&self, action: Action, which: Which) {
        let (stage, host) = (&self.stage, self.host);
        let own = self.number_of(|it| match it {
            Subject::Connector(connector) => Some(connector),
            _ => None,
        });
        let Some((id, connector)) = stage.hosts[host].connectors.pick(which, own) else { return };
        match action {
            Action::Reconnect(_) => {
                stage.contract().reconnect(id);
                stage.request(host, &[], || connector.connect());
            }
            Action::StopConnecting(_) => {
                stage.contract().stop_connecting(id);
                stage.request(host, &[], || connector.stop_connecting());
            }
            _ => {
                stage.contract().disconnect(id);
                stage.request(host, &[], || connector.disconnect());
            }
        }
    }

    fn do_to_timer(&self, action: Action, which: Which) {
        let (stage, host) = (&self.stage, self.host);
        let own = self.number_of(|it| match it {
            Subject::Timer(timer) => Some(timer),
            _ => None,
        });
        let Some((id, call)) = stage.hosts[host].timers.pick(which, own) else { return };
        let (expected, is) = match action {
            Action::CancelTimer(_) => {
                let expected = stage.contract().cancel_timer(id);
                let cancels = !stage.makes(Mistake::MakesCancelledCall);
                let cancel = || if cancels { call.cancel() } else { expected };
                (expected, stage.request(host, &[Kind::TimerDropped], cancel))
            }
            Action::ResetTimer(_, delay) => {
                let expected = stage.contract().move_timer(id, |now, _| now + ms(delay.into()));
                (expected, call.reset(ms(delay.into())).is_ok())
            }
            Action::DelayTimer(_, delay) => {
                let expected = stage.contract().move_timer(id, |_, due| due + ms(delay.into()));
                (expected, call.delay(ms(delay.into())).is_ok())
            }
            _ => return,
        };
        if !stage.look().is_dead(host) {
            stage.contract().expect(is == expected, format_args!("{action:?} of the call {id} gives {is}"));
        }
    }

    fn do_to_deferred(&self, action: Action, which: Which) {
        let (stage, host) = (&self.stage, self.host);
        let own = self.number_of(|it| match it {
            Subject::Deferred(deferred) => Some(deferred),
            _ => None,
        });
        let Some((id, (firer, canceller))) = stage.hosts[host].deferreds.pick(which, own) else { return };
        if action == Action::Cancel(which) {
            stage.contract().deferreds[id].was_cancelled = true;
            stage.request(host, &[Kind::Canceller, Kind::Deferred], || canceller.cancel());
        } else {
            let is_value = matches!(action, Action::Fire(_));
            let expected = stage.contract().fire(id, is_value);
            let fired = stage.request(host, &[Kind::Deferred], || match is_value {
                true => firer.callback(()),
                false => firer.errback(reactor::Failure::msg("on purpose")),
            });
            let is = fired.is_ok();
            stage.contract().expect(is == expected, format_args!("firing the Deferred {id} gives {is}"));
        }
        stage.contract().has_run(id);
    }

    /// The loop runs already, and must say so.
    fn run_inside(&self, action: Action) {
        let is_outside = matches!(self.kind(), Kind::Boot | Kind::Outside) || self.kind().is_drop();
        if is_outside || self.stage.look().is_dead(self.host) || !self.stage.look().is_in_loop(self.host) {
            return;
        }
        let reactor = self.stage.reactor(self.host);
        let result = match action {
            Action::Run => reactor.run(),
            _ => reactor.iterate(Duration::ZERO),
        };
        let holds = matches!(result, Err(RunError::AlreadyRunning));
        self.stage.contract().expect(holds, format_args!("{action:?} inside a callback gives {result:?}"));
    }
}
