//! A mail server that is away, and one that comes back.

use storage::embedded::{Embedded, EmbeddedConfig, system_clock};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use venues::{
    Config,
    config::{Mail, MailTls},
    mail::Postman,
};

use crate::browser::{Browser, pages_with};

/// Takes one mail, as a server does; its source.
async fn take_a_mail(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut stream = BufReader::new(stream);
    let mut mail = String::new();
    let mut in_mail = false;
    stream.write_all(b"220 ready\r\n").await.expect("said");
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.expect("a line") == 0 {
            return mail;
        }
        let answer = match line.trim_end() {
            "." if in_mail => {
                in_mail = false;
                "250 taken\r\n"
            }
            _ if in_mail => {
                mail.push_str(&line);
                continue;
            }
            "DATA" => {
                in_mail = true;
                "354 go on\r\n"
            }
            "QUIT" => {
                // Whoever quits may be gone.
                let _ = stream.write_all(b"221 bye\r\n").await;
                return mail;
            }
            _ => "250 fine\r\n",
        };
        stream.write_all(answer.as_bytes()).await.expect("said");
        if answer == "250 taken\r\n" {
            return mail;
        }
    }
}

#[tokio::test]
async fn a_mail_waits_for_its_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let embedded = Embedded::open(&data, EmbeddedConfig::default()).await.expect("opens");
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = reserved.local_addr().expect("an address");
    drop(reserved);
    let mail = Mail {
        host: "127.0.0.1".to_owned(),
        port: at.port(),
        tls: MailTls::None,
        from: "noreply@example.jp".to_owned(),
        ..Mail::default()
    };
    let postman = Postman::new(&mail, None).expect("a postman");
    let home = (dir, embedded, data);
    let pages = pages_with(Config::default(), home, postman, system_clock()).await;

    let mut browser = Browser::new(&pages);
    browser.fill("/register", &[("mail", "a@example.jp")]).await.is(303);
    browser.get("/register/sent").await.is(200).has("メールの送信が遅れています");
    let listener = TcpListener::bind(at).await.expect("the port again");
    let source = take_a_mail(&listener).await;
    assert!(source.contains("To: a@example.jp"), "{source}");
    assert!(source.contains("From: noreply@example.jp"), "{source}");
}
