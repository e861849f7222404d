//! Serves one simulated world until it is interrupted. Prints its address on
//! the first line; everything else is told over `/_sim`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use shipline_test_support::Server;

const USAGE: &str = "usage: shipline-sim [--listen ADDRESS:PORT]   (127.0.0.1:0 by default)";

fn listen() -> Option<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => "127.0.0.1:0".to_owned(),
        (Some("--listen"), Some(address)) => address,
        _ => return None,
    };
    address.parse().ok().filter(|_| arguments.next().is_none())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(listen) = listen() else {
        drop(writeln!(std::io::stderr(), "{USAGE}"));
        return ExitCode::from(2);
    };
    let server = match Server::start(listen) {
        Ok(server) => server,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "cannot listen on {listen}: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut out = std::io::stdout();
    drop(writeln!(out, "http://{}", server.address()));
    drop(out.flush());
    drop(tokio::signal::ctrl_c().await);
    ExitCode::SUCCESS
}
