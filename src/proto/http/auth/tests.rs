use super::*;

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials { user: user.into(), password: password.into() }
}

fn challenges(values: &[&str]) -> Challenges {
    Challenges::parse(values.iter().copied())
}

fn answered(values: &[&str]) -> Result<String> {
    answer(&challenges(values), &credentials("u", "p"), "GET", "/", [7; 16])
}

#[test]
fn basic_as_in_rfc_7617() {
    for (user, password, value) in [
        ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
        ("", "a:b", "Basic OmE6Yg=="),
        ("", "", "Basic Og=="),
    ] {
        assert_eq!(basic(&credentials(user, password)).as_deref(), Ok(value));
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let colon = credentials("a:b", "c");
    assert!(basic(&colon).unwrap_err().message.contains("colon"));
    assert!(answer(&challenges(&["Basic realm=x"]), &colon, "GET", "/", [0; 16]).is_err());
    let digest = challenges(&["Digest realm=x, nonce=y", "Basic realm=x"]);
    assert!(answer(&digest, &colon, "GET", "/", [0; 16]).is_ok(), "only Basic splits at a colon");
    for bad in ["a\r\nX: y", "\0", "\t", "\x7f", "\u{85}"] {
        for refused in [credentials(bad, "p"), credentials("u", bad)] {
            for error in [
                basic(&refused).unwrap_err(),
                answer(&digest, &refused, "GET", "/", [0; 16]).unwrap_err(),
            ] {
                assert_eq!(error.code, Code::InvalidArgument);
                assert!(error.message.contains("control character"));
            }
        }
    }
}

#[test]
fn the_strongest_that_is_known_is_answered() {
    const MD5: &str = "Digest realm=m, nonce=n";
    const SHA: &str = "Digest realm=s, nonce=n, algorithm=SHA-256";
    const SECOND: &str = "Digest realm=t, nonce=n, algorithm=SHA-256";
    const UNKNOWN: &str = "Digest realm=x, nonce=n, algorithm=SHA-512-256";
    const INTEGRITY: &str = "Digest realm=x, nonce=n, qop=auth-int, algorithm=SHA-256";
    for (values, start) in [
        (&["Basic realm=x", MD5, SHA][..], "Digest username=\"u\", realm=\"s\""),
        (&["Negotiate", SHA, SECOND, MD5], "Digest username=\"u\", realm=\"s\""),
        (&["Basic realm=x", UNKNOWN, INTEGRITY, MD5], "Digest username=\"u\", realm=\"m\""),
        (&["Negotiate, bASIC realm=x", UNKNOWN], "Basic dTpw"),
        (&["Basic", "Digest realm=x", "Digest nonce=x"], "Basic dTpw"),
    ] {
        let value = answered(values).unwrap();
        assert!(value.starts_with(start), "{values:?}: {value}");
    }
}

#[test]
fn what_is_not_known_is_named() {
    for (values, message) in [
        (&["Bearer realm=x"][..], "the server wants Bearer authorization, which is not known here"),
        (
            &["Negotiate, NTLM", "Digest realm=x, nonce=n, algorithm=SHA-512-256"],
            "the server wants Negotiate or NTLM or Digest (SHA-512-256) authorization, which is not \
             known here",
        ),
        (
            &["Digest realm=x, nonce=n, algorithm=\"a b\""],
            "the server wants Digest authorization, which is not known here",
        ),
        (&[], "the server answered 401 without saying which authorization it wants"),
        (&["\u{e9}"], "the server answered 401 without saying which authorization it wants"),
    ] {
        let error = answered(values).unwrap_err();
        assert_eq!((error.code, error.http_status), (Code::HttpStatus, 401));
        assert_eq!(error.message, message);
    }
    let long = "A".repeat(1000);
    assert!(answered(&[&long]).unwrap_err().message.len() < 150);
}

#[test]
fn passwords_stay_out_of_logs() {
    let text = format!("{:?}", credentials("user", "hunter2"));
    assert!(text.contains("user") && !text.contains("hunter2"), "{text}");
}
