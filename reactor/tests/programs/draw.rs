//! Draws a program from a seed.

use crate::program::{
    Action, Fault, HOSTS, Kind, NetworkShape, ProducerShape, Program, RUNS, Rule, TriggerResult, Which,
};
use reactor::Phase;
use reactor::sim::Random;

/// How many bytes the writes of one program may have together, so that no program takes long.
const MAX_BYTES: u32 = 600_000;

pub(crate) fn draw(seed: u64) -> Program {
    let mut draw = Draw { random: Random::new(seed), bytes_left: MAX_BYTES };
    let network = draw.network();
    if network.segment < 100 {
        draw.bytes_left = 20_000;
    }
    let mut rules = Vec::new();
    for host in 0..HOSTS {
        // Without these, most programs would never meet.
        for run in 0..RUNS {
            let mut actions = vec![Action::Listen(0), Action::Listen(1)];
            actions.extend((0..=draw.below(2)).map(|_| draw.connect()));
            actions.extend((0..draw.below(4)).map(|_| draw.action()));
            rules.push(Rule { host, kind: Kind::Boot, nth: run, actions });
        }
        for _ in 0..4 + draw.below(24) {
            let kind = draw.kind();
            let nth = draw.nth();
            let actions = (0..=draw.below(3)).map(|_| draw.action()).collect();
            if !rules.iter().any(|rule: &Rule| (rule.host, rule.kind, rule.nth) == (host, kind, nth)) {
                rules.push(Rule { host, kind, nth, actions });
            }
        }
    }
    rules.sort_by_key(|rule| (rule.host, rule.kind, rule.nth));
    let mut faults = Vec::new();
    if draw.chance(15) {
        for _ in 0..=draw.below(3) {
            let fault = match draw.below(4) {
                0 => Fault::Cut(0),
                1 => Fault::Cut(1),
                2 => Fault::Heal,
                _ => Fault::Reset,
            };
            faults.push((draw.below(3000), fault));
        }
        faults.push((3500, Fault::Heal));
        faults.sort_by_key(|(at, _)| *at);
    }
    Program { seed, network, rules, faults }
}

struct Draw {
    random: Random,
    bytes_left: u32,
}

impl Draw {
    fn below(&mut self, limit: u32) -> u32 {
        self.random.below(limit.into()) as u32
    }

    fn chance(&mut self, of_a_hundred: u32) -> bool {
        self.below(100) < of_a_hundred
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    fn network(&mut self) -> NetworkShape {
        let least = self.pick(&[0, 10, 1000, 20_000]);
        NetworkShape {
            latency: (least, least + self.pick(&[0, 1, 500, 10_000])),
            segment: self.pick(&[1, 7, 536, 1460, 1460, 65_536]),
            split: self.pick(&[0, 0, 30]),
            loss: self.pick(&[0, 0, 0, 20_000]),
            duplication: self.pick(&[0, 0, 100_000]),
            buffer: self.pick(&[1000, 16_384, 262_144, 262_144]),
            descriptors: if self.chance(8) { 8 + self.below(6) as usize } else { 65_536 },
            is_secure: self.chance(8),
            starts_tls: self.chance(50),
            has_lines: self.chance(20),
        }
    }

    fn kind(&mut self) -> Kind {
        use Kind::*;
        // Half of the rules are for the callbacks that come most.
        match self.chance(50) {
            true => self.pick(&[ConnectionMade, DataReceived, DataReceived, Timer, ConnectionLost, ReadConnectionLost]),
            false => self.pick(&Kind::ALL),
        }
    }

    fn nth(&mut self) -> u32 {
        let most = self.pick(&[1, 1, 2, 4, 8]);
        self.below(most)
    }

    fn which(&mut self) -> Which {
        if self.chance(60) { Which::Own } else { Which::Nth(self.below(6) as u8) }
    }

    fn len(&mut self) -> u32 {
        let most = self.pick(&[1, 10, 10, 1000, 5000, 70_000, 150_000]).min(self.bytes_left);
        let len = self.below(most + 1);
        self.bytes_left -= len;
        len
    }

    fn delay(&mut self) -> u32 {
        self.pick(&[0, 0, 1, 1, 5, 20, 100, 1000])
    }

    fn connect(&mut self) -> Action {
        let number = match self.below(10) {
            0..6 => self.below(2) as u8,
            6..8 => 4 + self.below(2) as u8,
            8 => self.below(4) as u8,
            _ => 8,
        };
        if self.chance(70) { Action::Connect(number) } else { Action::ConnectOnce(number) }
    }

    fn producer(&mut self) -> ProducerShape {
        let pieces = self.below(8) as u8;
        let piece = (self.len() / 4).min(20_000);
        ProducerShape { is_pull: self.chance(50), pieces, piece, ends: self.chance(80) }
    }

    fn action(&mut self) -> Action {
        use Action::*;
        let which = self.which();
        let on = self.chance(50);
        match self.below(100) {
            0..16 => Write(which, self.len()),
            16..18 => WritePieces(which, self.below(20) as u8),
            18..24 => Lose(which),
            24..29 => HalfClose(which),
            29..33 => Abort(which),
            33..38 => Pause(which),
            38..43 => Resume(which),
            43..45 => PauseWhenFull(which, on),
            45 => SetMaxBuffered(which, self.pick(&[0, 1000, 100_000])),
            46 => Linger(which),
            47 => StartTls(which),
            48..52 => Register(which, self.producer()),
            52..54 => Unregister(which),
            54 => Listen(self.below(4) as u8),
            55..57 => StopListening(which),
            57..60 => self.connect(),
            60 => CancelConnect(which),
            61..63 => Reconnect(which),
            63 => StopConnecting(which),
            64 => Disconnect(which),
            65 => Refuse,
            66..70 => Later(self.delay()),
            70..72 => CancelTimer(which),
            72 => ResetTimer(which, self.delay()),
            73 => DelayTimer(which, self.delay()),
            74..76 => Soon,
            76..79 => NewDeferred(1 + self.below(3) as u8),
            79..82 => Fire(which),
            82 => Fail(which),
            83..85 => Cancel(which),
            85 => OpenUdp(self.below(2) as u8),
            86..89 => Send(which, self.below(6) as u8, self.pick(&[0, 1, 1000, 9000])),
            89 => CloseUdp(which),
            90..92 => {
                let phase = self.pick(&[Phase::Before, Phase::During, Phase::After]);
                AddTrigger(phase, if on { TriggerResult::Deferred } else { TriggerResult::Nothing })
            }
            92 => RemoveTrigger(which),
            93 => Run,
            94 => Iterate,
            95 => {
                if self.chance(40) {
                    Stop
                } else {
                    Soon
                }
            }
            _ => Panic,
        }
    }
}
