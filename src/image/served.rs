//! A registry's or provider's answers over real HTTP, for tests of protocols no local server speaks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Answers every request by its head; the rest of the response follows the status line's `HTTP/1.1 `.
pub(super) struct Served {
    /// `127.0.0.1:<port>`.
    pub(super) host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Status, further header lines, body.
pub(super) type Answer = (&'static str, String, String);

impl Served {
    pub(super) fn new(answer: impl Fn(&str, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, own) = (Arc::clone(&asked), host.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while reader.read_line(&mut head).unwrap() > 2 {}
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                reader.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
                log.lock().unwrap().push(head.clone());
                let (status, headers, body) = answer(&head, &own);
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        Self { host, asked }
    }

    /// The heads of all requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}
