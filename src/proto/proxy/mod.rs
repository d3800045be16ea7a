//! stub
#![allow(missing_docs)]
pub mod choice { use super::ProxyUrl; use crate::error::Result;
 #[derive(Clone,Debug,Default)] pub struct NoProxy; impl NoProxy { pub fn parse(_: &str)->Result<NoProxy>{Ok(NoProxy)} pub fn matches(&self,_:&str,_:u16)->bool{false}}
 pub fn from_environment(_: impl Fn(&str)->Option<String>, _: bool, _: &str, _: u16)->Result<Option<ProxyUrl>>{Ok(None)} }
pub mod connect { use crate::error::*; use crate::proto::config::HeadLimits; pub struct Connect; impl Connect { pub fn new(_: &str,_:u16,_:Option<&super::Credentials>,_:&HeadLimits)->Connect{Connect} pub fn request(&self)->&[u8]{&[]} pub fn recv(&mut self,_:&[u8])->(usize,Option<Result<()>>){(0,None)} pub fn recv_eof(&mut self)->Error{unreachable!()}} }
pub mod socks5 { use crate::error::*; pub struct Socks5; pub enum Target { Name(String), Ip(std::net::IpAddr) } impl Socks5 { pub fn new(_: Target,_:u16,_:Option<&super::Credentials>)->Result<Socks5>{Ok(Socks5)} pub fn output(&mut self)->Vec<u8>{vec![]} pub fn recv(&mut self,_:&[u8])->(usize,Option<Result<()>>){(0,None)} pub fn recv_eof(&mut self)->Error{unreachable!()}} }
#[derive(Clone,Debug,PartialEq)] pub enum ProxyScheme { Http, Https, Socks5, Socks5h }
#[derive(Clone,Debug)] pub struct Credentials { pub user: String, pub password: String }
#[derive(Clone,Debug)] pub struct ProxyUrl { pub scheme: ProxyScheme, pub host: String, pub port: u16, pub credentials: Option<Credentials> }
impl ProxyUrl { pub fn parse(_: &str)->crate::error::Result<ProxyUrl>{ Err(crate::error::Error::new(crate::error::Code::Unsupported,"stub")) } }
impl std::fmt::Display for ProxyUrl { fn fmt(&self,f:&mut std::fmt::Formatter)->std::fmt::Result{ f.write_str(&self.host)} }
