//! A proxy on loopback, by HTTP's CONNECT or SOCKS 5, that leads to one server whatever it is asked for.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// How it is spoken to.
#[derive(Clone, Copy)]
pub enum Tongue {
    Http,
    Socks,
    /// It refuses everybody.
    Refusing,
}

/// Its threads end with the test.
pub struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that leads to a port of this machine.
    pub fn to(port: u16, tongue: Tongue) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (own, asked) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let noted = asked.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = noted.clone();
                thread::spawn(move || lead(client, port, tongue, &noted));
            }
        });
        Self { port: own, asked }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The hosts with their ports, in the order of asking.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn lead(mut client: TcpStream, port: u16, tongue: Tongue, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let answer: &[u8] = match tongue {
        Tongue::Http | Tongue::Refusing => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(byte(&mut client)?);
            }
            let head = String::from_utf8(head).unwrap();
            asked.lock().unwrap().push(head.split(' ').nth(1).unwrap().to_owned());
            if matches!(tongue, Tongue::Refusing) {
                return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            }
            b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"
        }
        Tongue::Socks => {
            let mut greeting = [0; 3];
            client.read_exact(&mut greeting)?;
            assert_eq!(greeting, [5, 1, 0]);
            client.write_all(&[5, 0])?;
            let mut request = [0; 5];
            client.read_exact(&mut request)?;
            assert_eq!(request[..4], [5, 1, 0, 3]);
            let mut name = vec![0; usize::from(request[4])];
            client.read_exact(&mut name)?;
            let wanted = u16::from_be_bytes([byte(&mut client)?, byte(&mut client)?]);
            asked.lock().unwrap().push(format!("{}:{wanted}", String::from_utf8(name).unwrap()));
            &[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]
        }
    };
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(answer)?;
    let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut up, &mut down);
        let _ = down.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let _ = io::copy(&mut from, &mut to);
    to.shutdown(Shutdown::Both)
}

fn byte(from: &mut TcpStream) -> io::Result<u8> {
    let mut one = [0];
    from.read_exact(&mut one).map(|()| one[0])
}
