//! Sockets that whoever started the process has opened for it: sd_listen_fds(3) in systemd's words.

use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

use crate::error::{Code, Error, Result};
use crate::util::offer::Offer;

/// The first of them; the others follow without a gap.
const FIRST: RawFd = 3;

/// Those that have been taken: the numbers may mean something else by now.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Offers `taker` all inherited sockets, or those of that name. When it succeeds it has taken them, and
/// nobody is offered them again.
pub fn offer<R>(name: Option<&str>, taker: impl FnOnce(Vec<Offer>) -> Result<R>) -> Result<R> {
    let listed = listed(|name| std::env::var(name).ok(), std::process::id(), name)?;
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let left: Vec<RawFd> = listed.into_iter().filter(|fd| !taken.contains(fd)).collect();
    if left.is_empty() {
        return Err(system("the sockets of LISTEN_FDS that were asked for are taken already"));
    }
    let offers = left.iter().map(|&fd| {
        // SAFETY: LISTEN_PID says that these descriptors were opened for this process, and nobody has
        // taken them here.
        unsafe { Offer::new(fd) }.ok_or_else(|| {
            system(format!("LISTEN_FDS promises the descriptor {fd}, which is not open"))
        })
    });
    let result = taker(offers.collect::<Result<_>>()?)?;
    taken.extend(left);
    Ok(result)
}

/// The descriptors that the environment tells of.
fn listed(
    variable: impl Fn(&str) -> Option<String>,
    process: u32,
    name: Option<&str>,
) -> Result<Vec<RawFd>> {
    let of_process = required(&variable, "LISTEN_PID")?;
    if of_process.parse() != Ok(process) {
        return Err(system(format!(
            "the inherited sockets are for the process {of_process} of LISTEN_PID, this is {process}"
        )));
    }
    let count = required(&variable, "LISTEN_FDS")?;
    let end = count
        .parse::<u16>()
        .ok()
        .filter(|&count| count > 0)
        .map(|count| FIRST + RawFd::from(count));
    let end = end.ok_or_else(|| {
        system(format!("LISTEN_FDS is \"{count}\": there is no inherited socket"))
    })?;
    let Some(name) = name else { return Ok((FIRST..end).collect()) };
    let names = required(&variable, "LISTEN_FDNAMES")?;
    let named: Vec<RawFd> = (FIRST..end)
        .zip(names.split(':'))
        .filter_map(|(fd, its_name)| (its_name == name).then_some(fd))
        .collect();
    if named.is_empty() {
        return Err(system(format!(
            "no inherited socket has the name \"{name}\" in LISTEN_FDNAMES"
        )));
    }
    Ok(named)
}

fn required(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Result<String> {
    variable(name).ok_or_else(|| {
        system(format!("{name} is not set: nobody has opened sockets for this process"))
    })
}

fn system(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::System, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        variables: &[(&str, &str)],
        name: Option<&str>,
    ) -> std::result::Result<Vec<RawFd>, String> {
        let variable = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        listed(variable, 42, name).map_err(|e| e.message.to_string())
    }

    #[test]
    fn all_or_those_of_a_name() {
        let variables =
            [("LISTEN_PID", "42"), ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "web:admin:web")];
        assert_eq!(told(&variables, None).unwrap(), [3, 4, 5]);
        assert_eq!(told(&variables, Some("web")).unwrap(), [3, 5]);
        assert_eq!(told(&variables, Some("admin")).unwrap(), [4]);
        assert!(told(&variables, Some("mail")).unwrap_err().contains("\"mail\""));
    }

    #[test]
    fn what_is_missing_is_named() {
        let (pid, fds) = (("LISTEN_PID", "42"), ("LISTEN_FDS", "1"));
        for (variables, named) in [
            (vec![], "LISTEN_PID is not set"),
            (vec![fds], "LISTEN_PID is not set"),
            (vec![pid], "LISTEN_FDS is not set"),
            (vec![("LISTEN_PID", "43"), fds], "process 43"),
            (vec![("LISTEN_PID", ""), fds], "LISTEN_PID"),
            (vec![pid, ("LISTEN_FDS", "0")], "no inherited socket"),
            (vec![pid, ("LISTEN_FDS", "-1")], "no inherited socket"),
            (vec![pid, ("LISTEN_FDS", "many")], "no inherited socket"),
        ] {
            let said = told(&variables, None).unwrap_err();
            assert!(said.contains(named), "{variables:?}: {said}");
        }
        assert!(told(&[pid, fds], Some("web")).unwrap_err().contains("LISTEN_FDNAMES is not set"));
    }
}
