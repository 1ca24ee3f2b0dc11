//! Connections that are slow, idle or too many; and the drain.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use server::listener::{Limits, bind, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

const SHORT: Limits = Limits {
    header_timeout: Duration::from_millis(200),
    idle_timeout: Duration::from_millis(300),
    max_connections: 2,
    about_to_speak: Duration::from_millis(50),
    tells_peers: false,
    linger: Duration::ZERO,
};

struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn listen(limits: Limits, router: Router) -> Listening {
    let listener = bind("test", ([127, 0, 0, 1], 0).into()).await.expect("it binds");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router, limits, stop.clone()));
    Listening { address, stop, task }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

impl Listening {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }
}

/// Everything until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too. One that stays open fails the test instead of holding it up.
    let end = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut text));
    let _ = end.await.expect("the connection ends");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_header_that_never_ends_is_given_up() {
    let listening = listen(SHORT, hello()).await;
    let mut stream = listening.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.expect("written");
    let said = rest(stream).await;
    assert!(!said.contains("200"), "{said}");
}

#[tokio::test]
async fn a_used_connection_is_kept_longer_than_a_first_header_may_take() {
    let limits = Limits { idle_timeout: Duration::from_secs(3_600), ..SHORT };
    let listening = listen(limits, hello()).await;
    let mut stream = listening.connect().await;
    let mut answer = [0; 12];
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    stream.read_exact(&mut answer).await.expect("an answer");
    tokio::time::sleep(2 * limits.header_timeout).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .expect("written");
    let said = rest(stream).await;
    assert_eq!(said.matches("200 OK").count(), 1, "{said}");
}

#[tokio::test]
async fn a_later_header_has_no_longer_than_the_first() {
    let limits = Limits { idle_timeout: Duration::from_secs(3_600), ..SHORT };
    let listening = listen(limits, hello()).await;
    let mut stream = listening.connect().await;
    let mut answer = [0; 12];
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    stream.read_exact(&mut answer).await.expect("an answer");
    stream.write_all(b"GET / HT").await.expect("written");
    let said = rest(stream).await;
    assert_eq!(said.matches("HTTP/1.1").count(), 0, "{said}");
}

#[tokio::test]
async fn more_headers_than_anybody_needs_are_refused() {
    let listening = listen(SHORT, hello()).await;
    for (count, status) in [(63, "200"), (64, "431"), (500, "431")] {
        let mut stream = listening.connect().await;
        let headers = "A: b\r\n".repeat(count);
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let said = rest(stream).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{count}: {said}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let listening = listen(SHORT, hello()).await;
    assert_eq!(rest(listening.connect().await).await, "");
    let mut stream = listening.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    let said = rest(stream).await;
    assert!(said.contains("200 OK") && said.ends_with("hello"), "{said}");
}

/// Somebody on a slow line gets all of a large file; who takes none of it is not waited for.
#[tokio::test]
async fn an_answer_is_sent_for_as_long_as_it_is_taken() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 512;
    let limits = Limits { idle_timeout: Duration::from_secs(2), ..SHORT };
    let file = || async {
        let pieces = std::iter::repeat_n(Bytes::from(vec![b'.'; PIECE]), PIECES);
        Body::from_stream(futures_util::stream::iter(pieces.map(Ok::<_, std::io::Error>)))
    };
    let listening = listen(limits, Router::new().route("/", get(file))).await;
    let ask = async || {
        let mut stream = listening.connect().await;
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("written");
        stream
    };
    let slow = async {
        let (mut stream, mut taken, begun) = (ask().await, 0, Instant::now());
        let mut bytes = vec![0; 4 * PIECE];
        loop {
            let more = stream.read(&mut bytes).await.expect("not cut off");
            if more == 0 {
                return (taken, begun.elapsed());
            }
            taken += more;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let silent = async {
        let stream = ask().await;
        tokio::time::sleep(3 * limits.idle_timeout).await;
        rest(stream).await.len()
    };
    let ((taken, took), unread) = tokio::join!(slow, silent);
    assert!(taken > PIECE * PIECES, "{taken}");
    assert!(took > limits.idle_timeout, "it was too fast to show anything: {took:?}");
    assert!(unread < PIECE * PIECES, "whoever takes nothing is not waited for: {unread}");
}

#[tokio::test]
async fn idle_connections_without_end_do_not_keep_others_out() {
    let listening = listen(SHORT, hello()).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(listening.connect().await);
    }
    let mut stream = listening.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .expect("written");
    assert!(rest(stream).await.contains("200 OK"));
}

#[tokio::test]
async fn a_connection_that_says_nothing_has_no_longer_than_a_header() {
    let limits = Limits { idle_timeout: Duration::from_secs(3_600), ..SHORT };
    let listening = listen(limits, hello()).await;
    assert_eq!(rest(listening.connect().await).await, "");
    // Half a preface of HTTP/2 is no header either.
    let mut stream = listening.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.expect("written");
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn the_idlest_connection_gives_way_and_one_in_use_does_not() {
    let hour = Duration::from_secs(3_600);
    let limits = Limits { header_timeout: hour, idle_timeout: hour, max_connections: 3, ..SHORT };
    let listening = listen(limits, hello()).await;
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut used = listening.connect().await;
    used.write_all(get).await.expect("written");
    let mut answer = [0; 12];
    used.read_exact(&mut answer).await.expect("an answer");
    // Those who never ask for anything take more places than there are, again and again.
    let mut silent = Vec::new();
    for _ in 0..3 {
        for _ in 0..limits.max_connections {
            silent.push(listening.connect().await);
        }
        let mut asks = listening.connect().await;
        asks.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .expect("written");
        assert!(rest(asks).await.contains("200 OK"));
    }
    let last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    used.write_all(last).await.expect("written");
    let said = rest(used).await;
    assert_eq!(said.matches("hello").count(), 2, "{said}");
}

#[tokio::test]
async fn a_connection_whose_request_may_be_on_its_way_does_not_give_way() {
    let hour = Duration::from_secs(3_600);
    let limits = Limits { max_connections: 1, about_to_speak: hour, ..SHORT };
    let limits = Limits { header_timeout: hour, idle_timeout: hour, ..limits };
    let listening = listen(limits, hello()).await;
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut first = listening.connect().await;
    let mut second = listening.connect().await;
    second.write_all(get).await.expect("written");
    let waits = tokio::time::timeout(Duration::from_millis(200), second.readable()).await;
    assert!(waits.is_err(), "the second is served before the first has asked for anything");
    first.write_all(get).await.expect("written");
    assert!(rest(first).await.contains("200 OK"));
    assert!(rest(second).await.contains("200 OK"));
}

#[tokio::test]
async fn whoever_has_not_heard_of_the_end_yet_is_served() {
    let limits = Limits { linger: Duration::from_secs(1), ..SHORT };
    let listening = listen(limits, hello()).await;
    listening.stop.cancel();
    let mut stream = listening.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .expect("written");
    assert!(rest(stream).await.contains("200 OK"));
    listening.task.await.expect("it ends");
    assert!(TcpStream::connect(listening.address).await.is_err());
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused() {
    let listening = listen(SHORT, hello()).await;
    for header in ["Content-Length: 5\r\nContent-Length: 6\r\n", "Transfer-Encoding: nonsense\r\n"]
    {
        let mut stream = listening.connect().await;
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{header}\r\nhello");
        stream.write_all(request.as_bytes()).await.expect("written");
        let said = rest(stream).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{header}: {said}");
    }
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_takes_nothing_new() {
    let (begun, has_begun) = oneshot::channel::<()>();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let both = std::sync::Arc::new(tokio::sync::Mutex::new(Some((begun, may_go_on))));
    let router = Router::new().route(
        "/",
        get(move || async move {
            if let Some((begun, may_go_on)) = both.lock().await.take() {
                begun.send(()).expect("the test waits");
                may_go_on.await.expect("the test goes on");
            }
            "done"
        }),
    );
    let limits = Limits { idle_timeout: Duration::from_secs(60), ..SHORT };
    let listening = listen(limits, router).await;
    let mut stream = listening.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    has_begun.await.expect("the request has begun");
    listening.stop.cancel();
    go_on.send(()).expect("the request goes on");
    let said = rest(stream).await;
    assert!(said.contains("200 OK") && said.ends_with("done"), "{said}");
    listening.task.await.expect("it ends");
    assert!(TcpStream::connect(listening.address).await.is_err());
}
