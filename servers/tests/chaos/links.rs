//! How a process reaches the servers: by a proxy of its own for each of them.
//!
//! Which of several servers has a key is decided by the texts of their addresses, so all processes have to write them
//! alike. So the proxies of several servers listen on unix sockets, whose paths begin with `/proc/self/cwd`: each
//! process finds there what is in its own directory.

use crate::crew::Result;
use crate::servers::{Servers, text};
use dogpile_servers::Proxy;
use std::fs;
use std::path::{Path, PathBuf};

/// The links of a process.
#[derive(Debug)]
pub struct Links {
    /// One for each server.
    pub proxies: Vec<Proxy>,
    /// The URL of the servers, for the process.
    pub url: String,
    directory: PathBuf,
}

impl Links {
    /// Starts the proxies. `directory` is made.
    pub fn start(servers: &dyn Servers, directory: &Path) -> Result<Self> {
        fs::create_dir(directory).map_err(text)?;
        let addresses = servers.addresses();
        let proxy = |(number, address)| {
            if addresses.len() == 1 {
                Proxy::start(address)
            } else {
                Proxy::start_at(&directory.join(number_of(number)), address)
            }
        };
        let proxies: dogpile_servers::Result<_> = addresses.iter().copied().enumerate().map(proxy).collect();
        let proxies: Vec<_> = proxies.map_err(text)?;
        let url = match &proxies[..] {
            [proxy] => servers.url(proxy.address()),
            proxies => {
                let paths: Vec<_> =
                    (0..proxies.len()).map(|number| format!("/proc/self/cwd/{}", number_of(number))).collect();
                format!("{}+unix://{}", servers.scheme(), paths.join(","))
            }
        };
        Ok(Self { proxies, url, directory: directory.into() })
    }

    /// The directory in which the process is started.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The name of the socket of a server.
fn number_of(server: usize) -> String {
    format!("server-{server}")
}
