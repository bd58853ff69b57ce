//! The client's states.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Kind, Lease, Message, Outgoing};

/// The first wait for an answer; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(64);
/// How often an offer is asked for before another one is sought.
const REQUESTS_MAX: u32 = 4;
/// The shortest time between two attempts to renew (RFC 2131, 4.4.5).
const RENEW_WAIT: Duration = Duration::from_secs(60);

/// What the client wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send this to everybody on the link, from no address.
    Broadcast(Vec<u8>),
    /// Send this from our address to a server's; to everybody if that is the broadcast address.
    Send(Ipv4Addr, Vec<u8>),
    /// The lease is ours now, or still.
    Configure(Lease),
    /// The lease is over.
    Deconfigure(Lease),
}

/// One interface's client.
#[derive(Debug)]
pub struct Client {
    hardware: [u8; 6],
    hostname: Box<str>,
    /// Where transaction numbers come from.
    seed: u32,
    /// When the present conversation began.
    began: Duration,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// There is no carrier.
    Off,
    /// Looking for offers.
    Selecting { tries: u32, until: Duration },
    /// An offer was taken.
    Requesting { offer: Lease, tries: u32, until: Duration },
    /// Nothing to do until `until`, a time since boot as all others.
    Bound { lease: Lease, since: Duration, until: Duration },
    /// Asking the lease's server.
    Renewing { lease: Lease, since: Duration, until: Duration },
    /// Asking any server.
    Rebinding { lease: Lease, since: Duration, until: Duration },
}

impl Client {
    /// A client that is off; `seed` makes its numbers differ from others' and from the last boot's.
    #[must_use]
    pub fn new(hardware: [u8; 6], hostname: &str, seed: u32) -> Client {
        let state = State::Off;
        Client { hardware, hostname: hostname.into(), seed, began: Duration::ZERO, state }
    }

    /// The link has a carrier, or has it no more. A lease is kept meanwhile but asked for anew: it may
    /// be another network.
    pub fn on_carrier(&mut self, is_up: bool, now: Duration, out: &mut Vec<Order>) {
        if !is_up {
            self.state = State::Off;
        } else if self.state == State::Off {
            self.select(now, out);
        }
    }

    /// Something came that was meant for a client.
    pub fn on_message(&mut self, bytes: &[u8], now: Duration, out: &mut Vec<Order>) {
        let Some(message) = Message::parse(bytes) else { return };
        if message.transaction != self.seed || message.hardware != self.hardware {
            return;
        }
        match (&self.state, message.kind) {
            (State::Selecting { .. }, Kind::Offer) if is_usable(message.lease.address) => {
                let state = State::Requesting { offer: message.lease, tries: 0, until: now };
                self.state = state;
                self.on_time(now, out);
            }
            (State::Requesting { offer, .. }, Kind::Ack)
                if offer.address == message.lease.address =>
            {
                self.bind(message.lease, now, out);
            }
            (State::Renewing { lease, .. } | State::Rebinding { lease, .. }, Kind::Ack)
                if lease.address == message.lease.address =>
            {
                self.bind(message.lease, now, out);
            }
            (State::Requesting { .. }, Kind::Nak) => self.select(now, out),
            (State::Renewing { .. } | State::Rebinding { .. }, Kind::Nak) => self.lose(now, out),
            // Late answers, second offers, and what only servers should get.
            _ => {}
        }
    }

    /// When [`Client::on_time`] must be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Off => None,
            State::Selecting { until, .. }
            | State::Requesting { until, .. }
            | State::Bound { until, .. }
            | State::Renewing { until, .. }
            | State::Rebinding { until, .. } => Some(*until),
        }
    }

    /// Whether answers are expected: only then is a socket worth its wakeups.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        match self.state {
            State::Off | State::Bound { .. } => false,
            State::Selecting { .. }
            | State::Requesting { .. }
            | State::Renewing { .. }
            | State::Rebinding { .. } => true,
        }
    }

    /// Whether answers come to our own address rather than to an interface without one.
    #[must_use]
    pub fn has_address(&self) -> bool {
        matches!(self.state, State::Bound { .. } | State::Renewing { .. } | State::Rebinding { .. })
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Duration, out: &mut Vec<Order>) {
        if self.deadline().is_none_or(|until| now < until) {
            return;
        }
        match self.state.clone() {
            State::Off => {}
            State::Selecting { tries, .. } => {
                out.push(Order::Broadcast(self.message(Kind::Discover, now, None)));
                let until = now + self.wait(tries);
                self.state = State::Selecting { tries: tries + 1, until };
            }
            State::Requesting { tries: REQUESTS_MAX.., .. } => self.select(now, out),
            State::Requesting { offer, tries, .. } => {
                out.push(Order::Broadcast(self.message(Kind::Request, now, Some(&offer))));
                let until = now + self.wait(tries);
                self.state = State::Requesting { offer, tries: tries + 1, until };
            }
            State::Bound { lease, since, .. } => {
                self.begin(now);
                self.renew(lease, since, now, out);
            }
            State::Renewing { lease, since, .. } => self.renew(lease, since, now, out),
            State::Rebinding { lease, since, .. } => self.rebind(lease, since, now, out),
        }
    }

    fn select(&mut self, now: Duration, out: &mut Vec<Order>) {
        self.begin(now);
        self.state = State::Selecting { tries: 0, until: now };
        self.on_time(now, out);
    }

    fn bind(&mut self, lease: Lease, now: Duration, out: &mut Vec<Order>) {
        out.push(Order::Configure(lease.clone()));
        let until = now + lease.renew_after;
        self.state = State::Bound { lease, since: now, until };
    }

    /// Asks the server again, half of the time that is left later once more.
    fn renew(&mut self, lease: Lease, since: Duration, now: Duration, out: &mut Vec<Order>) {
        let end = since + lease.rebind_after;
        if now >= end {
            return self.rebind(lease, since, now, out);
        }
        out.push(Order::Send(lease.server, self.holding(&lease, now)));
        let until = (now + ((end - now) / 2).max(RENEW_WAIT)).min(end);
        self.state = State::Renewing { lease, since, until };
    }

    fn rebind(&mut self, lease: Lease, since: Duration, now: Duration, out: &mut Vec<Order>) {
        let end = since + lease.lifetime;
        if now >= end {
            self.state = State::Rebinding { lease, since, until: end };
            return self.lose(now, out);
        }
        out.push(Order::Send(Ipv4Addr::BROADCAST, self.holding(&lease, now)));
        let until = (now + ((end - now) / 2).max(RENEW_WAIT)).min(end);
        self.state = State::Rebinding { lease, since, until };
    }

    /// The lease is over: it is given back to the machine, and another one is sought.
    fn lose(&mut self, now: Duration, out: &mut Vec<Order>) {
        if let State::Renewing { lease, .. } | State::Rebinding { lease, .. } = &self.state {
            out.push(Order::Deconfigure(lease.clone()));
        }
        self.select(now, out);
    }

    /// Begins a conversation with a number of its own.
    fn begin(&mut self, now: Duration) {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.began = now;
    }

    fn message(&self, kind: Kind, now: Duration, offer: Option<&Lease>) -> Vec<u8> {
        Outgoing {
            kind,
            transaction: self.seed,
            hardware: self.hardware,
            seconds: u16::try_from(now.saturating_sub(self.began).as_secs()).unwrap_or(u16::MAX),
            address: Ipv4Addr::UNSPECIFIED,
            requested: offer.map(|lease| lease.address),
            server: offer.map(|lease| lease.server),
            hostname: &self.hostname,
        }
        .bytes()
    }

    /// A request for an address that is ours: neither server nor wish is named (RFC 2131, table 4).
    fn holding(&self, lease: &Lease, now: Duration) -> Vec<u8> {
        Outgoing {
            kind: Kind::Request,
            transaction: self.seed,
            hardware: self.hardware,
            seconds: u16::try_from(now.saturating_sub(self.began).as_secs()).unwrap_or(u16::MAX),
            address: lease.address,
            requested: None,
            server: None,
            hostname: &self.hostname,
        }
        .bytes()
    }

    /// Twice as long each time, up to a quarter shorter or longer so that a room full of machines
    /// does not ask in step.
    fn wait(&self, tries: u32) -> Duration {
        let base = (FIRST_WAIT * 2_u32.saturating_pow(tries.min(10))).min(LONGEST_WAIT);
        let jitter = self.seed.wrapping_mul(2_654_435_761).wrapping_add(tries) >> 24;
        base * (192 + jitter / 2) / 256
    }
}

fn is_usable(address: Ipv4Addr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && !address.is_broadcast()
        && !address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::answer;
    use super::*;

    const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const LEASE: [u8; 12] = [51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0];

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    struct Bench {
        client: Client,
        now: Duration,
        out: Vec<Order>,
    }

    impl Bench {
        fn new() -> Bench {
            let mut bench =
                Bench { client: Client::new(HARDWARE, "a", 1), now: s(10), out: Vec::new() };
            bench.client.on_carrier(true, bench.now, &mut bench.out);
            bench
        }

        fn bound() -> Bench {
            let mut bench = Bench::new();
            bench.hear(2, &LEASE);
            bench.hear(5, &LEASE);
            assert!(matches!(bench.take().last(), Some(Order::Configure(_))));
            bench
        }

        fn hear(&mut self, kind: u8, options: &[u8]) {
            let bytes = answer(kind, self.client.seed, options);
            self.client.on_message(&bytes, self.now, &mut self.out);
        }

        fn take(&mut self) -> Vec<Order> {
            std::mem::take(&mut self.out)
        }

        /// Jumps to the next deadline.
        fn jump(&mut self) -> Vec<Order> {
            self.now = self.client.deadline().unwrap();
            self.client.on_time(self.now, &mut self.out);
            self.take()
        }
    }

    #[test]
    fn discover_offer_request_ack() {
        let mut bench = Bench::new();
        assert!(matches!(bench.take()[..], [Order::Broadcast(_)]));
        bench.hear(2, &LEASE);
        assert!(matches!(bench.take()[..], [Order::Broadcast(_)]));
        bench.hear(5, &LEASE);
        let orders = bench.take();
        let [Order::Configure(lease)] = &orders[..] else { panic!("{orders:?}") };
        assert_eq!(lease.address, Ipv4Addr::new(10, 0, 2, 15));
        assert_eq!(bench.client.deadline(), Some(s(10) + s(1800)));
        assert!(!bench.client.is_listening());
    }

    #[test]
    fn without_an_answer_it_asks_ever_more_rarely_but_for_ever() {
        let mut bench = Bench::new();
        assert!(matches!(bench.take()[..], [Order::Broadcast(_)]));
        let mut last = s(0);
        for tries in 0..20 {
            let before = bench.now;
            assert!(matches!(bench.jump()[..], [Order::Broadcast(_)]), "{tries}");
            last = bench.now - before;
            assert!(last <= s(80), "{last:?}");
        }
        assert!(last >= s(40), "{last:?}");
    }

    #[test]
    fn an_offer_that_is_not_kept_leads_to_another_search() {
        let mut bench = Bench::new();
        bench.hear(2, &LEASE);
        let number = bench.client.seed;
        (0..=REQUESTS_MAX).for_each(|_| _ = bench.jump());
        assert!(matches!(bench.client.state, State::Selecting { .. }));
        assert_ne!(bench.client.seed, number, "with a number of its own");
    }

    #[test]
    fn a_lease_is_renewed_then_rebound_then_lost() {
        let mut bench = Bench::bound();
        let server = Ipv4Addr::new(10, 0, 2, 2);
        assert!(matches!(bench.jump()[..], [Order::Send(to, _)] if to == server));
        bench.hear(5, &LEASE);
        assert!(matches!(bench.take()[..], [Order::Configure(_)]));
        let mut kinds = Vec::new();
        for _ in 0..100 {
            for order in bench.jump() {
                match order {
                    Order::Send(to, _) if to == server => kinds.push("renew"),
                    Order::Send(_, _) => kinds.push("rebind"),
                    Order::Deconfigure(_) => kinds.push("lost"),
                    Order::Broadcast(_) => kinds.push("discover"),
                    Order::Configure(_) => panic!("nobody answered"),
                }
            }
            if kinds.contains(&"lost") {
                break;
            }
        }
        kinds.dedup();
        assert_eq!(kinds, ["renew", "rebind", "lost", "discover"]);
    }

    #[test]
    fn a_refusal_while_renewing_ends_the_lease_at_once() {
        let mut bench = Bench::bound();
        bench.jump();
        bench.hear(6, &[]);
        assert!(matches!(bench.take()[..], [Order::Deconfigure(_), Order::Broadcast(_)]));
    }

    #[test]
    fn strangers_messages_change_nothing() {
        let mut bench = Bench::new();
        let before = bench.client.state.clone();
        bench.client.on_message(&answer(2, 999, &LEASE), bench.now, &mut bench.out);
        bench.hear(5, &LEASE);
        bench.hear(6, &[]);
        assert_eq!(bench.client.state, before);
    }

    #[test]
    fn without_carrier_it_waits_for_nothing() {
        let mut bench = Bench::bound();
        bench.client.on_carrier(false, bench.now, &mut bench.out);
        assert_eq!(bench.client.deadline(), None);
        assert!(bench.take().is_empty(), "the lease may still hold when the carrier is back");
    }
}
