//! Mistakes that a reactor could make, for a check that the contract notices them.
//!
//! Each is made between the reactor and the contract: a request does not reach the reactor, a callback does not reach
//! the contract, or reaches it changed. So the contract sees what it would see if the reactor made it.

/// A mistake of the reactor, as the program and the contract see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The last byte of a read is lost.
    LosesByte,
    /// A byte of a read is changed.
    ChangesByte,
    ForgetsConnectionLost,
    TellsConnectionLostTwice,
    /// Every connection ends with `Reason::Done`.
    AlwaysDone,
    ForgetsReadEnd,
    ForgetsReadingResumed,
    /// A connection reads on after `pause_producing`.
    IgnoresPause,
    /// `resume_producing` does not wake the loop.
    IgnoresResume,
    /// A connection goes on after `lose_connection`.
    IgnoresLose,
    /// `lose_connection` waits for nothing.
    LosesAtOnce,
    /// `abort_connection` ends in order.
    AbortsInOrder,
    IgnoresHalfClose,
    /// A panic in `data_received` is caught, and no more.
    SurvivesPanic,
    /// A producer is paused and never told to go on.
    ForgetsResumeOfProducer,
    ForgetsStopOfProducer,
    /// `cancel` says that it has cancelled, and the call is made.
    MakesCancelledCall,
    ForgetsTimer,
    /// `call_when_running` calls at once.
    CallsAtOnce,
    ForgetsCallback,
    ForgetsFailure,
    ForgetsClientLost,
    /// `stop_listening` leaves the port open.
    StaysListening,
    ForgetsStopFactory,
    DropsLate,
    IgnoresStop,
    /// The limit on waiting bytes counts those that the loop has not tried to send.
    CountsAtOnce,
    /// There is no limit on waiting bytes.
    CountsNothing,
}

impl Mistake {
    pub(crate) const ALL: [Mistake; 28] = {
        use Mistake::*;
        [
            LosesByte,
            ChangesByte,
            ForgetsConnectionLost,
            TellsConnectionLostTwice,
            AlwaysDone,
            ForgetsReadEnd,
            ForgetsReadingResumed,
            IgnoresPause,
            IgnoresResume,
            IgnoresLose,
            LosesAtOnce,
            AbortsInOrder,
            IgnoresHalfClose,
            SurvivesPanic,
            ForgetsResumeOfProducer,
            ForgetsStopOfProducer,
            MakesCancelledCall,
            ForgetsTimer,
            CallsAtOnce,
            ForgetsCallback,
            ForgetsFailure,
            ForgetsClientLost,
            StaysListening,
            ForgetsStopFactory,
            DropsLate,
            IgnoresStop,
            CountsAtOnce,
            CountsNothing,
        ]
    };
}
