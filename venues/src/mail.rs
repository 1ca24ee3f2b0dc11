//! How a mail leaves: by a mail server, or into a folder where there is none.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};

use crate::{
    config::{Mail, MailTls},
    letter::Words,
};

/// How long a mail server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The mail server, or the folder, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum MailConfigError {
    /// A file can't be read.
    #[error("{path} can't be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no certificate, or no address.
    #[error("{key}: {source}")]
    Setting {
        /// The key.
        key: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is a user without a password.
    #[error("mail.username needs mail.password_file")]
    NoPassword,
    /// The store is on a cluster, and there is no mail server.
    #[error("mail.host and mail.folder are empty: no link could reach an operator")]
    Nowhere,
}

/// A mail did not leave. Never names whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It will never leave: the server doesn't take this address.
    #[error("the mail server refuses the mail for good")]
    Refused,
    /// It may leave later.
    #[error("the mail server can't be reached, or takes no mail now")]
    Later,
}

/// What takes mails.
pub enum Postman {
    /// A mail server.
    Server {
        /// Its client.
        client: AsyncSmtpTransport<Tokio1Executor>,
        /// The sender.
        from: Mailbox,
    },
    /// A folder: one text file for each mail.
    Folder(PathBuf),
}

impl Postman {
    /// As configured. `data` is the data directory, where the store is on this machine.
    pub fn new(config: &Mail, data: Option<&Path>) -> Result<Self, MailConfigError> {
        if config.host.is_empty() {
            let folder = match (config.folder.as_os_str().is_empty(), data) {
                (false, _) => config.folder.clone(),
                (true, Some(data)) => data.join("mailbox"),
                (true, None) => return Err(MailConfigError::Nowhere),
            };
            return Ok(Postman::Folder(folder));
        }
        let from = config.from.parse().map_err(|error| setting("mail.from", error))?;
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.as_str())
                .port(config.port)
                .timeout(Some(PATIENCE));
        builder = match config.tls {
            MailTls::None => builder.tls(Tls::None),
            MailTls::Starttls => builder.tls(Tls::Required(parameters(config)?)),
            MailTls::Tls => builder.tls(Tls::Wrapper(parameters(config)?)),
        };
        if !config.username.is_empty() {
            // Looked at here: where roles are processes of their own, no other is told of the file.
            if config.password_file.as_os_str().is_empty() {
                return Err(MailConfigError::NoPassword);
            }
            let password = read(&config.password_file)?;
            let password = String::from_utf8_lossy(&password).trim_end().to_owned();
            builder = builder.credentials(Credentials::new(config.username.clone(), password));
        }
        Ok(Postman::Server { client: builder.build(), from })
    }

    /// Sends a mail.
    pub async fn send(&self, to: &str, words: &Words, link: Option<&str>) -> Result<(), MailError> {
        match self {
            Postman::Server { client, from } => {
                let to = to.parse().map_err(|_| MailError::Refused)?;
                let message = Message::builder()
                    .from(from.clone())
                    .to(Mailbox::new(None, to))
                    .subject(words.subject.as_str())
                    .header(ContentType::TEXT_PLAIN)
                    .body(words.text.clone())
                    .map_err(|_| MailError::Refused)?;
                match client.send(message).await {
                    Ok(_) => Ok(()),
                    Err(error) if error.is_permanent() => Err(MailError::Refused),
                    Err(_) => Err(MailError::Later),
                }
            }
            Postman::Folder(folder) => {
                let (folder, to, words) = (folder.clone(), to.to_owned(), words.clone());
                let written = tokio::task::spawn_blocking(move || write(&folder, &to, &words));
                if !matches!(written.await, Ok(Ok(()))) {
                    return Err(MailError::Later);
                }
                if let Some(link) = link {
                    show(link);
                }
                Ok(())
            }
        }
    }
}

fn setting(
    key: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> MailConfigError {
    MailConfigError::Setting { key, source: Box::new(source) }
}

fn read(path: &Path) -> Result<Vec<u8>, MailConfigError> {
    std::fs::read(path).map_err(|source| MailConfigError::File { path: path.to_owned(), source })
}

fn parameters(config: &Mail) -> Result<TlsParameters, MailConfigError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if !config.ca_file.as_os_str().is_empty() {
        let pem = read(&config.ca_file)?;
        let authority =
            Certificate::from_pem(&pem).map_err(|error| setting("mail.ca_file", error))?;
        builder = builder.add_root_certificate(authority);
    }
    builder.build_rustls().map_err(|error| setting("mail.ca_file", error))
}

/// One file for each mail, readable by whoever runs us. Its name is made of time and chance: an
/// address is in none.
fn write(folder: &Path, to: &str, words: &Words) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = now.map_or(0, |since| since.as_millis());
    let name = format!("{millis}-{:016x}.txt", rand::random::<u64>());
    let part = folder.join(format!("{name}.part"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    write!(file, "To: {to}\nSubject: {}\n\n{}", words.subject, words.text)?;
    file.sync_all()?;
    std::fs::rename(part, folder.join(name))
}

/// Somebody who tries it out has no mail server. Nothing of it goes into a log: a pipe gets nothing.
fn show(link: &str) {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        // A terminal that is gone needs no link.
        let _ = writeln!(out, "\n  a mail to an operator, with this link:\n  {link}\n");
    }
}
