//! Every pattern carries objects both ways it can, and refuses what it cannot.

use std::fmt::Debug;

use outband::{Array, Encode, Envelope, ErrorKind, Limits, MsgPack, Result};

use super::common::{LONG, Place};
use super::{Object, Shell, Test, connected, everywhere, object, objects};

#[track_caller]
fn is_the_callers<T: Debug>(result: Result<T>, word: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
    assert!(error.to_string().contains(word), "{error}");
}

fn wait_readable<S: Shell>(socket: &S) {
    assert_eq!(socket.with(|socket| socket.poll(zmq::POLLIN, i64::from(LONG))).unwrap(), 1);
}

/// All forms of sending, facing all forms of receiving, one way.
fn carries_objects<S: Shell>(tx: &S, rx: &S) {
    let in_frames = MsgPack::new().out_of_band_from(0);
    for object in objects() {
        tx.send_obj(&object).unwrap();
        assert_eq!(rx.recv_obj::<Object>().unwrap(), object);
        tx.try_send_obj(&object).unwrap();
        assert_eq!(rx.recv_with::<Object, _>(&in_frames).unwrap(), object);
        tx.send_with(&in_frames, &object).unwrap();
        wait_readable(rx);
        assert_eq!(rx.try_recv_obj::<Object>().unwrap(), object);

        let message = in_frames.encode(&object).unwrap();
        tx.send_message(message.clone()).unwrap();
        assert_eq!(rx.recv_message().unwrap(), message);
        tx.try_send_message(message.clone()).unwrap();
        wait_readable(rx);
        assert_eq!(rx.try_recv_message().unwrap(), message);
        let tracker = tx.send_obj_tracked(&object).unwrap();
        assert_eq!(rx.recv_obj::<Object>().unwrap(), object);
        assert!(tracker.wait(None));
        let tracker = tx.send_message_tracked(message.clone()).unwrap();
        let limits = Limits::new().frames(message.buffers().len());
        assert_eq!(rx.recv_message_within(&limits).unwrap(), message);
        assert!(tracker.wait(None));
        tx.try_send_with(&in_frames, &object).unwrap();
        wait_readable(rx);
        assert_eq!(rx.try_recv_with::<Object, _>(&in_frames).unwrap(), object);
        #[cfg(feature = "zlib")]
        {
            tx.send_zipped(&object.name).unwrap();
            assert_eq!(rx.recv_zipped::<String>().unwrap(), object.name);
        }
    }
    tx.send_obj(&object(2, 10_000)).unwrap();
    assert_eq!(rx.recv_message_within(&Limits::new().frames(1)).unwrap_err().kind(), ErrorKind::Limits);
    tx.send_json(&("kelvin", 273.15)).unwrap();
    assert_eq!(rx.recv_json::<(String, f64)>().unwrap(), ("kelvin".to_owned(), 273.15));
    let array = Array::from_shape_vec([10, 1000], vec![1.5_f32; 10_000]).unwrap();
    tx.send_array(&array).unwrap();
    assert_eq!(rx.recv_array().unwrap(), array);
    assert!(rx.try_recv_obj::<Object>().unwrap_err().is_timeout());
    assert!(rx.try_recv_message().unwrap_err().is_timeout());
    assert!(rx.try_recv_with::<Object, _>(&in_frames).unwrap_err().is_timeout());
}

struct BothWays(zmq::SocketType);

impl Test for BothWays {
    fn run<S: Shell>(&self, place: &Place) {
        let (left, right) = connected::<S>(place, self.0, self.0);
        carries_objects(&left, &right);
        carries_objects(&right, &left);
    }
}

#[test]
fn pair_carries_objects_both_ways() {
    everywhere(BothWays(zmq::PAIR));
}

#[test]
fn dealers_carry_objects_both_ways() {
    everywhere(BothWays(zmq::DEALER));
}

struct PushPull;

impl Test for PushPull {
    fn run<S: Shell>(&self, place: &Place) {
        let (pull, push) = connected::<S>(place, zmq::PULL, zmq::PUSH);
        carries_objects(&push, &pull);
        is_the_callers(pull.send_obj(&1), "PULL");
        is_the_callers(pull.try_send_obj(&1), "PULL");
        is_the_callers(push.recv_obj::<u8>(), "PUSH");
        is_the_callers(push.try_recv_obj::<u8>(), "PUSH");
        carries_objects(&push, &pull);
    }
}

#[test]
fn push_carries_objects_to_pull() {
    everywhere(PushPull);
}

struct ReqRep;

impl Test for ReqRep {
    fn run<S: Shell>(&self, place: &Place) {
        let (rep, req) = connected::<S>(place, zmq::REP, zmq::REQ);
        for object in objects() {
            req.send_obj(&object).unwrap();
            is_the_callers(req.send_obj(&1), "turn");
            assert_eq!(rep.recv_obj::<Object>().unwrap(), object);
            rep.send_obj(&object).unwrap();
            assert_eq!(req.recv_obj::<Object>().unwrap(), object);
            is_the_callers(req.recv_obj::<u8>(), "turn");
            is_the_callers(rep.try_send_obj(&1), "turn");
        }
    }
}

#[test]
fn requests_and_replies_take_turns() {
    everywhere(ReqRep);
}

struct PubSub;

impl Test for PubSub {
    fn run<S: Shell>(&self, place: &Place) {
        let (publisher, subscriber) = connected::<S>(place, zmq::XPUB, zmq::SUB);
        for topic in ["weather.", "b"] {
            subscriber.with(|socket| socket.set_subscribe(topic.as_bytes())).unwrap();
            assert_eq!(publisher.recv_message().unwrap().metadata()[1..], *topic.as_bytes());
        }
        let in_frames = MsgPack::new().out_of_band_from(0);
        for object in objects() {
            publisher.publish_obj("weather.oslo", &object).unwrap();
            publisher.publish_obj("weather", &"not long enough for the subscription").unwrap();
            let message = MsgPack::new().encode(&object).unwrap();
            publisher.publish_message("b", message.clone()).unwrap();
            publisher.publish_with(&in_frames, "b", &object).unwrap();
            assert_eq!(subscriber.recv_topic_obj::<Object>().unwrap(), ("weather.oslo".to_owned(), object.clone()));
            assert_eq!(subscriber.recv_topic_message().unwrap(), ("b".to_owned(), message));
            assert_eq!(subscriber.recv_topic_with::<Object, _>(&in_frames).unwrap(), ("b".to_owned(), object));
        }
        publisher.try_publish_obj("b", &1).unwrap();
        wait_readable(&subscriber);
        assert_eq!(subscriber.try_recv_topic_obj::<u8>().unwrap(), ("b".to_owned(), 1));
        assert!(subscriber.try_recv_topic_obj::<u8>().unwrap_err().is_timeout());
        is_the_callers(subscriber.send_obj(&1), "SUB");
        // a message with no topic frame before it
        publisher.with(|socket| socket.send("b", 0)).unwrap();
        publisher.publish_obj("b", &2).unwrap();
        assert_eq!(subscriber.recv_topic_obj::<u8>().unwrap_err().kind(), ErrorKind::Peer);
        assert_eq!(subscriber.recv_topic_obj::<u8>().unwrap().1, 2);
    }
}

#[test]
fn subscribers_get_what_they_subscribed_to() {
    everywhere(PubSub);
}

struct RouterDealer;

impl Test for RouterDealer {
    fn run<S: Shell>(&self, place: &Place) {
        let (router, dealer) = (place.socket(zmq::ROUTER), place.socket(zmq::DEALER));
        dealer.set_identity(b"dealer").unwrap();
        dealer.connect(&place.bind(&router)).unwrap();
        let (router, dealer) = (S::wrap(router), S::wrap(dealer));
        let in_frames = MsgPack::new().out_of_band_from(0);
        for object in objects() {
            let message = MsgPack::new().encode(&object).unwrap();
            dealer.send_obj(&object).unwrap();
            assert_eq!(router.recv_obj_from::<Object>().unwrap(), (b"dealer".to_vec(), object.clone()));
            router.send_obj_to(b"dealer", &object).unwrap();
            assert_eq!(dealer.recv_obj::<Object>().unwrap(), object);
            dealer.send_message(message.clone()).unwrap();
            assert_eq!(router.recv_message_from().unwrap(), (b"dealer".to_vec(), message.clone()));
            router.send_message_to(b"dealer", message.clone()).unwrap();
            assert_eq!(dealer.recv_message().unwrap(), message);
            dealer.send_with(&in_frames, &object).unwrap();
            assert_eq!(router.recv_with_from::<Object, _>(&in_frames).unwrap(), (b"dealer".to_vec(), object.clone()));
            router.send_with_to(&in_frames, b"dealer", &object).unwrap();
            assert_eq!(dealer.recv_with::<Object, _>(&in_frames).unwrap(), object);
        }
        dealer.try_send_obj(&1).unwrap();
        wait_readable(&router);
        assert_eq!(router.try_recv_obj_from::<u8>().unwrap(), (b"dealer".to_vec(), 1));
        assert!(router.try_recv_obj_from::<u8>().unwrap_err().is_timeout());
        router.try_send_obj_to(b"dealer", &2).unwrap();
        assert_eq!(dealer.recv_obj::<u8>().unwrap(), 2);
        assert!(router.try_send_obj_to(b"nobody", &2).unwrap_err().is_unreachable());
        let error = router.send_message_to(b"nobody", MsgPack::new().encode(&object(1, 10_000)).unwrap()).unwrap_err();
        assert!(error.is_unreachable());
        assert_eq!(error.into_message().unwrap(), MsgPack::new().encode(&object(1, 10_000)).unwrap());
        is_the_callers(dealer.send_obj_to(b"router", &1), "ROUTER");
        dealer.send_obj(&1).unwrap();
        // refused, and the message that was there is gone whole
        dealer.send_obj(&2).unwrap();
        is_the_callers(router.recv_obj::<u8>(), "routing id");
        assert_eq!(router.recv_obj_from::<u8>().unwrap().1, 2);
    }
}

#[test]
fn a_router_knows_its_dealers_by_name() {
    everywhere(RouterDealer);
}

struct RouterWithTopics;

impl Test for RouterWithTopics {
    fn run<S: Shell>(&self, place: &Place) {
        // each on a socket that no other method has set an option of
        let is_lost = |send: &dyn Fn(&S) -> Result<()>| {
            let (router, _dealer) = connected::<S>(place, zmq::ROUTER, zmq::DEALER);
            let error = send(&router).unwrap_err();
            assert!(error.is_unreachable(), "{error}");
            error
        };
        let message = || MsgPack::new().encode(&object(1, 10_000)).unwrap();
        is_lost(&|router| router.publish_obj("weather", &1));
        is_lost(&|router| router.publish_with(&MsgPack::new(), "weather", &object(1, 10_000)));
        is_lost(&|router| router.try_publish_obj("weather", &1));
        let error = is_lost(&|router| router.publish_message("weather", message()));
        assert!(error.to_string().contains("\"weather\" is not connected"), "{error}");
        assert_eq!(error.into_message().unwrap(), message());
        is_lost(&|router| router.send_obj_via(&Envelope::delimiter(), &1));
    }
}

#[test]
fn a_router_has_no_topics_and_drops_nothing_for_it() {
    everywhere(RouterWithTopics);
}

struct Envelopes;

impl Test for Envelopes {
    fn run<S: Shell>(&self, place: &Place) {
        let (router, req) = connected::<S>(place, zmq::ROUTER, zmq::REQ);
        let (rep, dealer) = connected::<S>(place, zmq::REP, zmq::DEALER);
        let in_frames = MsgPack::new().out_of_band_from(0);
        for object in objects() {
            req.send_obj(&object).unwrap();
            let (envelope, got) = router.recv_obj_via::<Object>().unwrap();
            assert_eq!(got, object);
            assert!(envelope.has_delimiter());
            router.send_obj_via(&envelope, &object).unwrap();
            assert_eq!(req.recv_obj::<Object>().unwrap(), object);

            let message = MsgPack::new().encode(&object).unwrap();
            dealer.send_message_via(&Envelope::delimiter(), message.clone()).unwrap();
            assert_eq!(rep.recv_message().unwrap(), message);
            rep.send_message(message.clone()).unwrap();
            assert_eq!(dealer.recv_message_via().unwrap(), (Envelope::delimiter(), message.clone()));

            req.send_message(message.clone()).unwrap();
            let (envelope, got) = router.recv_message_via().unwrap();
            assert_eq!(got, message);
            router.send_message_via(&envelope, message).unwrap();
            assert_eq!(req.recv_obj::<Object>().unwrap(), object);

            req.send_with(&in_frames, &object).unwrap();
            let (envelope, got) = router.recv_with_via::<Object, _>(&in_frames).unwrap();
            assert_eq!(got, object);
            router.send_with_via(&in_frames, &envelope, &object).unwrap();
            assert_eq!(req.recv_with::<Object, _>(&in_frames).unwrap(), object);

            req.send_with(&in_frames, &object).unwrap();
            wait_readable(&router);
            let (envelope, got) = router.try_recv_with_via::<Object, _>(&in_frames).unwrap();
            assert_eq!(got, object);
            assert!(router.try_recv_with_via::<Object, _>(&in_frames).unwrap_err().is_timeout());
            router.try_send_with_via(&in_frames, &envelope, &object).unwrap();
            assert_eq!(req.recv_obj::<Object>().unwrap(), object);
        }
        req.send_obj(&1).unwrap();
        wait_readable(&router);
        let (envelope, got) = router.try_recv_obj_via::<u8>().unwrap();
        assert_eq!(got, 1);
        assert!(router.try_recv_obj_via::<u8>().unwrap_err().is_timeout());
        router.try_send_obj_via(&envelope, &2).unwrap();
        assert_eq!(req.recv_obj::<u8>().unwrap(), 2);

        let message = MsgPack::new().encode(&object(1, 10_000)).unwrap();
        dealer.try_send_message_via(&Envelope::delimiter(), message.clone()).unwrap();
        assert_eq!(rep.recv_message().unwrap(), message);
        rep.send_message(message.clone()).unwrap();
        wait_readable(&dealer);
        assert_eq!(dealer.try_recv_message_via().unwrap(), (Envelope::delimiter(), message.clone()));
        assert!(dealer.try_recv_message_via().unwrap_err().is_timeout());
        let error = router.try_send_message_via(&Envelope::to("nobody"), message.clone()).unwrap_err();
        assert!(error.is_unreachable());
        assert_eq!(error.into_message().unwrap(), message);
    }
}

#[test]
fn an_envelope_leads_back_to_a_req() {
    everywhere(Envelopes);
}
