//! How the tasks of an `AsyncSocket` wait, drawn step by step, and a search through every order of the steps.
//!
//! A step is what is atomic in truth: a compare-and-swap, a system call, what happens under a lock. libzmq's steps are those
//! of `ypipe.hpp`, `pipe.cpp`, `mailbox.cpp`, `signaler.cpp` and `socket_base.cpp` (4.3.4), the kernel's are an
//! edge-triggered epoll's, tokio's are those of `scheduled_io.rs` and of its budget, and ours are `src/socket/tokio/waiter.rs`.

use std::collections::HashSet;

/// What `Waiter` and `AsyncSocket` do so that no wake-up is lost.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Who has armed the runtime looks once more if there was anything to forget.
    pub(crate) looks_again: bool,
    /// A send that is about to sleep lets libzmq take in everything: its own try may have been throttled.
    pub(crate) hears_all: bool,
    /// Who has used the socket wakes the others for what is possible now.
    pub(crate) tells_others: bool,
    /// A wake-up goes to all.
    pub(crate) wakes_all: bool,
}

pub(crate) const OURS: Rules = Rules { looks_again: true, hears_all: true, tells_others: true, wakes_all: true };

/// Who shares the socket.
pub(crate) const TASKS: usize = 2;
pub(crate) type Wants = [Want; TASKS];
pub(crate) const BOTH_WAYS: Wants = [Want::Message, Want::Room];
/// The first one may be dropped while it waits.
pub(crate) const TWO_RECEIVERS: Wants = [Want::Message, Want::Message];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    Message,
    Room,
}

/// A call of libzmq's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Call {
    Receive,
    Send,
    Events,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Within {
    Start,
    /// `mailbox_t::recv`: reads a command, or falls asleep.
    Mailbox,
    /// `signaler_t::wait`: poll(2).
    Poll,
    /// `signaler_t::recv`: read(2).
    Read,
    End,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    /// Returned `Pending`.
    Asleep,
    Lock,
    Try(Within),
    Sit,
    /// `poll_read_ready` and `clear_ready`.
    Forget,
    /// Whether nothing new was reported since.
    Clear {
        is_current: bool,
    },
    Recheck,
    Look(Within),
    TryAgain(Within),
    Tell,
    TellLook(Within),
    Unlock,
    /// Nothing more to do, or dropped.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Task {
    at: At,
    /// Its waker was called and it has not been polled since.
    woken: bool,
    /// Has been asleep within this operation.
    has_slept: bool,
    /// There was something to forget.
    was_known: bool,
    is_done: bool,
}

/// What posts a command to the socket's mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Peer {
    Idle,
    /// Is to tell of messages, or of room.
    Post,
    /// Has found the mailbox asleep.
    Raise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Driver {
    Wait,
    SetReady,
    TakeWaker,
    WakeAll,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    wants: Wants,
    /// The incoming pipe: what is in it, whether its reader found it empty, and whether the socket believes it is not.
    arrived: u8,
    reader_sleeps: bool,
    is_readable: bool,
    /// The outgoing pipe: what the socket knows of its room, and what the peer has not read.
    room: u8,
    unread: u8,
    /// The commands in the mailbox, whether its reader sleeps, and what the reader believes.
    readable: u8,
    freed: u8,
    mailbox_sleeps: bool,
    is_active: bool,
    /// The eventfd, and whether epoll has an event of it to report.
    raised: u8,
    edge: bool,
    /// tokio's `ScheduledIo`.
    is_ready: bool,
    armed: bool,
    driver: Driver,
    /// tokio's budget was used up while arming: the wake-up for that is yet to come.
    deferred: bool,
    locked: bool,
    /// Who sits, and whether there is somebody to wake.
    seats: [Option<bool>; TASKS],
    tasks: [Task; TASKS],
    writer: Peer,
    reader: Peer,
    to_write: u8,
    to_receive: u8,
    to_send: u8,
    to_drop: u8,
}

impl State {
    fn new(wants: Wants) -> Self {
        let task = Task { at: At::Lock, woken: false, has_slept: false, was_known: false, is_done: false };
        let (messages, sends) = if wants == BOTH_WAYS { (1, 1) } else { (2, 0) };
        Self {
            wants,
            arrived: 0,
            reader_sleeps: false,
            is_readable: true,
            room: 0,
            unread: sends,
            readable: 0,
            freed: 0,
            mailbox_sleeps: true,
            is_active: false,
            raised: 0,
            edge: false,
            is_ready: false,
            armed: false,
            driver: Driver::Wait,
            deferred: false,
            locked: false,
            seats: [None; TASKS],
            tasks: [task; TASKS],
            writer: Peer::Idle,
            reader: Peer::Idle,
            to_write: messages,
            to_receive: messages,
            to_send: sends,
            to_drop: u8::from(wants == TWO_RECEIVERS),
        }
    }

    fn is_over(&self) -> bool {
        self.to_receive == 0 && self.to_send == 0
    }

    /// All states that one step of anybody's leads to.
    fn steps(&self, rules: Rules) -> Vec<Self> {
        let mut next = Vec::new();
        for task in 0..TASKS {
            self.step_of_task(rules, task, &mut next);
        }
        self.step_of_driver(rules, &mut next);
        self.steps_of_peers(&mut next);
        if self.deferred {
            next.push(self.with(|state| {
                state.deferred = false;
                state.wake(rules, |_| true);
            }));
        }
        if self.to_drop > 0 && self.tasks[0].at == At::Asleep {
            next.push(self.with(|state| {
                state.to_drop -= 1;
                state.seats[0] = None;
                state.tasks[0].at = At::Over;
            }));
        }
        next
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut state = self.clone();
        change(&mut state);
        state
    }

    fn steps_of_peers(&self, next: &mut Vec<Self>) {
        match self.writer {
            Peer::Idle if self.to_write > 0 => next.push(self.with(|state| {
                state.to_write -= 1;
                state.arrived += 1;
                if std::mem::take(&mut state.reader_sleeps) {
                    state.writer = Peer::Post;
                }
            })),
            Peer::Idle => {}
            Peer::Post => next.push(self.with(|state| {
                state.readable += 1;
                state.writer = state.posted();
            })),
            Peer::Raise => next.push(self.with(|state| state.writer = state.raise())),
        }
        match self.reader {
            Peer::Idle if self.unread > 0 => next.push(self.with(|state| {
                state.unread -= 1;
                state.reader = Peer::Post;
            })),
            Peer::Idle => {}
            Peer::Post => next.push(self.with(|state| {
                state.freed += 1;
                state.reader = state.posted();
            })),
            Peer::Raise => next.push(self.with(|state| state.reader = state.raise())),
        }
    }

    fn posted(&mut self) -> Peer {
        if std::mem::take(&mut self.mailbox_sleeps) { Peer::Raise } else { Peer::Idle }
    }

    fn raise(&mut self) -> Peer {
        self.raised += 1;
        self.edge = true;
        Peer::Idle
    }

    fn step_of_driver(&self, rules: Rules, next: &mut Vec<Self>) {
        match self.driver {
            Driver::Wait if self.edge => next.push(self.with(|state| {
                state.edge = false;
                // epoll looks at the descriptor once more before it reports it
                if state.raised > 0 {
                    state.driver = Driver::SetReady;
                }
            })),
            Driver::Wait => {}
            Driver::SetReady => next.push(self.with(|state| {
                state.is_ready = true;
                for task in &mut state.tasks {
                    if let At::Clear { is_current } = &mut task.at {
                        *is_current = false;
                    }
                }
                state.driver = Driver::TakeWaker;
            })),
            Driver::TakeWaker => next.push(self.with(|state| {
                state.driver = if std::mem::take(&mut state.armed) { Driver::WakeAll } else { Driver::Wait };
            })),
            Driver::WakeAll => next.push(self.with(|state| {
                state.driver = Driver::Wait;
                state.wake(rules, |_| true);
            })),
        }
    }

    fn wake(&mut self, rules: Rules, whom: impl Fn(Want) -> bool) {
        for task in 0..TASKS {
            if whom(self.wants[task]) && self.seats[task] == Some(true) {
                self.seats[task] = Some(false);
                self.tasks[task].woken = true;
                if !rules.wakes_all {
                    return;
                }
            }
        }
    }

    /// One step of a call. Its result where it was the last one: whether a message was received or sent, or has events.
    fn step_of_call(
        &self,
        call: Call,
        within: Within,
        mut done: impl FnMut(Self, bool),
        mut on: impl FnMut(Self, Within),
    ) {
        match within {
            Within::Start => match call {
                Call::Receive => {
                    let mut state = self.clone();
                    if state.read() { done(state, true) } else { on(state, Within::Mailbox) }
                }
                // throttled: it may look at the mailbox or not
                Call::Send => {
                    on(self.clone(), Within::Mailbox);
                    on(self.clone(), Within::End);
                }
                Call::Events => on(self.clone(), Within::Mailbox),
            },
            Within::Mailbox if !self.is_active => on(self.clone(), Within::Poll),
            Within::Mailbox if self.readable + self.freed == 0 => on(
                self.with(|state| {
                    state.mailbox_sleeps = true;
                    state.is_active = false;
                }),
                Within::Poll,
            ),
            Within::Mailbox => self.commands().for_each(|state| on(state, Within::Mailbox)),
            Within::Poll => on(self.clone(), if self.raised > 0 { Within::Read } else { Within::End }),
            Within::Read => {
                let awake = self.with(|state| {
                    state.raised -= 1;
                    state.is_active = true;
                });
                assert!(awake.readable + awake.freed > 0, "a signal comes after its command");
                awake.commands().for_each(|state| on(state, Within::Mailbox));
            }
            Within::End => {
                let mut state = self.clone();
                let is_done = match call {
                    Call::Receive => state.read(),
                    Call::Send => {
                        let is_room = state.room > 0;
                        if is_room {
                            state.room -= 1;
                            state.unread += 1;
                        }
                        is_room
                    }
                    Call::Events => true,
                };
                done(state, is_done);
            }
        }
    }

    /// The states after one command, whichever comes first.
    fn commands(&self) -> impl Iterator<Item = Self> {
        let readable = (self.readable > 0).then(|| {
            self.with(|state| {
                state.readable -= 1;
                state.is_readable = true;
            })
        });
        let freed = (self.freed > 0).then(|| {
            self.with(|state| {
                state.freed -= 1;
                state.room += 1;
            })
        });
        readable.into_iter().chain(freed)
    }

    /// Reads a message, or falls asleep.
    fn read(&mut self) -> bool {
        let is_there = self.has_message();
        if is_there {
            self.arrived -= 1;
        }
        is_there
    }

    fn has_message(&mut self) -> bool {
        if self.is_readable && self.arrived == 0 {
            self.reader_sleeps = true;
            self.is_readable = false;
        }
        self.is_readable
    }

    fn step_of_task(&self, rules: Rules, task: usize, next: &mut Vec<Self>) {
        let want = self.wants[task];
        let call = if want == Want::Message { Call::Receive } else { Call::Send };
        let Task { at, woken, has_slept, was_known, .. } = self.tasks[task];
        let go = |state: &Self, at: At| state.with(|state| state.tasks[task].at = at);
        let tried = |state: Self, is_done: bool, otherwise: At| {
            if !is_done {
                return go(&state, otherwise);
            }
            let mut state = go(&state, At::Tell);
            state.tasks[task].is_done = true;
            // stands up
            state.seats[task] = None;
            let left = if want == Want::Message { &mut state.to_receive } else { &mut state.to_send };
            *left = left.saturating_sub(1);
            state
        };
        match at {
            At::Over => {}
            At::Asleep if woken => next.push(self.with(|state| {
                state.tasks[task] =
                    Task { at: At::Lock, woken: false, has_slept: true, was_known: false, is_done: false };
            })),
            At::Asleep => {}
            At::Lock if self.locked => {}
            At::Lock => next.push(self.with(|state| {
                state.locked = true;
                let first = if has_slept { At::Sit } else { At::Try(Within::Start) };
                state.tasks[task].at = first;
            })),
            At::Try(within) => {
                let mut ends = Vec::new();
                self.step_of_call(
                    call,
                    within,
                    |state, is_done| ends.push(tried(state, is_done, At::Sit)),
                    |state, within| next.push(go(&state, At::Try(within))),
                );
                next.append(&mut ends);
            }
            At::Sit => next.push(self.with(|state| {
                state.seats[task] = Some(true);
                state.tasks[task].at = At::Forget;
            })),
            At::Forget => {
                next.push(if self.is_ready {
                    go(self, At::Clear { is_current: true })
                } else {
                    self.with(|state| {
                        state.armed = true;
                        state.tasks[task].at = At::Recheck;
                    })
                });
                // the runtime's budget is used up: it knows nothing, and wakes later
                next.push(self.with(|state| {
                    state.deferred = true;
                    state.after_forgetting(rules, task, want, was_known);
                }));
            }
            At::Recheck => next.push(if self.is_ready {
                go(self, At::Clear { is_current: true })
            } else {
                self.with(|state| state.after_forgetting(rules, task, want, was_known))
            }),
            At::Clear { is_current } => next.push(self.with(|state| {
                if is_current {
                    state.is_ready = false;
                }
                state.tasks[task].was_known = true;
                state.tasks[task].at = At::Forget;
            })),
            At::Look(within) => {
                let mut ends = Vec::new();
                self.step_of_call(
                    Call::Events,
                    within,
                    |state, _| ends.push(go(&state, At::TryAgain(Within::Start))),
                    |state, within| next.push(go(&state, At::Look(within))),
                );
                next.append(&mut ends);
            }
            At::TryAgain(within) => {
                let mut ends = Vec::new();
                self.step_of_call(
                    call,
                    within,
                    |state, is_done| ends.push(tried(state, is_done, At::Tell)),
                    |state, within| next.push(go(&state, At::TryAgain(within))),
                );
                next.append(&mut ends);
            }
            At::Tell => {
                let asleep = self.seats.iter().filter(|seat| **seat == Some(true)).count();
                let seated = usize::from(!self.tasks[task].is_done);
                let tells = rules.tells_others && asleep > seated;
                next.push(go(self, if tells { At::TellLook(Within::Start) } else { At::Unlock }));
            }
            At::TellLook(within) => {
                let mut ends = Vec::new();
                self.step_of_call(
                    Call::Events,
                    within,
                    |mut state, _| {
                        let (has_message, has_room) = (state.has_message(), state.room > 0);
                        if has_message {
                            state.wake(rules, |want| want == Want::Message);
                        }
                        if has_room {
                            state.wake(rules, |want| want == Want::Room);
                        }
                        ends.push(go(&state, At::Unlock));
                    },
                    |state, within| next.push(go(&state, At::TellLook(within))),
                );
                next.append(&mut ends);
            }
            At::Unlock => next.push(self.with(|state| {
                state.locked = false;
                let left = if want == Want::Message { state.to_receive } else { state.to_send };
                let task = &mut state.tasks[task];
                task.at = match task.is_done {
                    false => At::Asleep,
                    true if left == 0 => At::Over,
                    true => At::Lock,
                };
                if task.is_done {
                    (task.woken, task.has_slept, task.was_known, task.is_done) = (false, false, false, false);
                }
            })),
        }
    }

    fn after_forgetting(&mut self, rules: Rules, task: usize, want: Want, was_known: bool) {
        let has_tried = !self.tasks[task].has_slept;
        self.tasks[task].at = match want {
            Want::Room if rules.hears_all => At::Look(Within::Start),
            Want::Room => At::TryAgain(Within::Start),
            Want::Message if !has_tried || was_known && rules.looks_again => At::TryAgain(Within::Start),
            Want::Message => At::Tell,
        };
    }
}

/// Goes through all states: the number of them, or one in which nobody has a step to take and not all is done.
pub(crate) fn search(wants: Wants, rules: Rules) -> Result<usize, State> {
    let (mut seen, mut stack) = (HashSet::new(), vec![State::new(wants)]);
    seen.insert(State::new(wants));
    while let Some(state) = stack.pop() {
        if state.is_over() {
            continue;
        }
        let next = state.steps(rules);
        if next.is_empty() {
            return Err(state);
        }
        for state in next {
            if seen.insert(state.clone()) {
                stack.push(state);
            }
        }
    }
    Ok(seen.len())
}
