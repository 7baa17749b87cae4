//! The mailbox of `guest-user` as the toolstack's way to ask guests.

use dom0_ring3::ForeignFrames;
use dom0_tools::control::{Protocol, Request, Status};
use guest_user::mailbox::{self, Words, command, guest};

/// The mailbox protocol.
pub(crate) struct Mailbox;

impl Protocol<ForeignFrames> for Mailbox {
    fn is_served(page: &ForeignFrames) -> bool {
        mailbox::is_served(page)
    }

    fn post(page: &mut ForeignFrames, request: Request) -> u64 {
        let (command, argument) = match request {
            Request::Balloon(pages) => (command::BALLOON, pages),
            Request::Checksum => (command::CHECKSUM, 0),
            Request::Ping(count) => (command::PING, count),
            Request::Vcpus(count) => (command::VCPUS, count),
            Request::Shutdown(reason) => (command::SHUTDOWN, reason),
            Request::Crash => (command::CRASH, 0),
        };
        mailbox::post(page, command, argument)
    }

    fn answer(page: &ForeignFrames, number: u64) -> Option<Result<u64, u64>> {
        mailbox::answer(page, number)
    }

    fn answer_ping(page: &mut ForeignFrames) -> bool {
        mailbox::answer_ping(page)
    }

    fn status(page: &ForeignFrames) -> Status {
        Status {
            events_received: page.load(guest::EVENTS_RECEIVED),
            events_sent: page.load(guest::EVENTS_SENT),
            events: page.load(guest::EVENTS),
            processes: page.load(guest::PROCESSES),
            preemptions: page.load(guest::PREEMPTIONS),
            faults: page.load(guest::FAULTS_FATAL),
        }
    }
}
