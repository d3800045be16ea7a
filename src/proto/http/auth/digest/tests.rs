use super::*;

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials { user: user.into(), password: password.into() }
}

fn answer(challenge: &str, who: &Credentials, uri: &str, cnonce: &str) -> String {
    let challenges = Challenges::parse([challenge].into_iter());
    Digest::strongest(&challenges).expect(challenge).answer(who, "GET", uri, cnonce)
}

/// RFC 7616 section 3.9.1.
const SERVER: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
    opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

#[test]
fn rfc_7616_and_its_session_variants() {
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("md5-sess", "e783283f46242139c486a698fec7211d"),
        ("SHA-256-sess", "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7"),
    ] {
        let challenge = format!("{SERVER}, algorithm={algorithm}");
        let who = credentials("Mufasa", "Circle of Life");
        assert_eq!(
            answer(&challenge, &who, "/dir/index.html", CNONCE),
            format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 uri=\"/dir/index.html\", response=\"{response}\", algorithm={algorithm}, \
                 qop=auth, nc=00000001, cnonce=\"{CNONCE}\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        );
    }
}

const OLDER: &str =
    "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";

#[test]
fn rfc_2617() {
    let challenge =
        format!("{OLDER}, qop=\"auth,auth-int\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"");
    let who = credentials("Mufasa", "Circle Of Life");
    let value = answer(&challenge, &who, "/dir/index.html", "0a4f113b");
    assert!(value.contains("response=\"6629fae49393a05397450978507c4ef1\", qop=auth"), "{value}");
    assert!(!value.contains("algorithm"), "as the server did not say one: {value}");
}

#[test]
fn rfc_2069_without_qop() {
    let value = answer(OLDER, &credentials("Mufasa", "CircleOfLife"), "/dir/index.html", "x");
    assert_eq!(
        value,
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", \
         response=\"1949323746fe6a43ef61f9606e7febea\""
    );
}

#[test]
fn quotes_and_backslashes_end_nothing() {
    let challenge = r#"Digest realm="r\"\\", nonce="n\"\\", qop=auth, opaque="o\"""#;
    let value =
        answer(challenge, &credentials("u\"\\", "p"), "/x?y", "000102030405060708090a0b0c0d0e0f");
    assert_eq!(
        value,
        r#"Digest username="u\"\\", realm="r\"\\", nonce="n\"\\", uri="/x?y", response="aea5f04c22fe6d77895fb770182f6a69", qop=auth, nc=00000001, cnonce="000102030405060708090a0b0c0d0e0f", opaque="o\"""#
    );
    let read = Challenges::parse([value.as_str()].into_iter());
    let read: Vec<_> = read.iter().collect();
    assert_eq!((read.len(), read[0].params.len()), (1, 9));
    assert_eq!((read[0].get("username"), read[0].get("realm")), (Some("u\"\\"), Some("r\"\\")));
}

#[test]
fn user_names_beyond_ascii() {
    let server = "Digest realm=\"api@example.org\", nonce=n, qop=auth, algorithm=SHA-256";
    let who = credentials("J\u{e4}s\u{f8}n Doe", "Secret, or not?");
    for (more, user) in [
        (", charset=UTF-8", "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, "),
        ("", "username=\"J\u{e4}s\u{f8}n Doe\", "),
        (
            ", charset=UTF-8, userhash=true",
            "username=\"5a1a8a47df5c298551b9b42ba9b05835174a5bd7d511ff7fe9191d8e946fc4e7\", ",
        ),
        (", userhash=false, charset=utf-8", "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, "),
    ] {
        let cnonce = "000102030405060708090a0b0c0d0e0f";
        let value = answer(&format!("{server}{more}"), &who, "/doe.json", cnonce);
        assert!(value.starts_with(&format!("Digest {user}")), "{value}");
        let response = "a3ce39d78c11640c50b4a3434c23254b9d37e8aed006fc407321176d02c17554";
        assert!(value.contains(response), "the same whatever the spelling: {value}");
        assert_eq!(value.ends_with("userhash=true"), more.contains("userhash=true"), "{value}");
    }
    let value = answer(&format!("{server}, charset=UTF-8"), &credentials("u", "p"), "/", "c");
    assert!(value.starts_with("Digest username=\"u\", "), "{value}");
}

#[test]
fn what_cannot_be_answered() {
    for text in [
        "Basic realm=r, nonce=n",
        "Digest realm=r",
        "Digest nonce=n",
        "Digest realm=r, nonce=n, algorithm=SHA-512-256",
        "Digest realm=r, nonce=n, algorithm=",
        "Digest realm=r, nonce=n, qop=auth-int",
        "Digest realm=r, nonce=n, qop=authx",
        "Digest realm=r, nonce=n, algorithm=MD5-sess",
    ] {
        let challenges = Challenges::parse([text].into_iter());
        assert!(Digest::strongest(&challenges).is_none(), "{text}");
    }
    for text in
        ["Digest realm=\"\", nonce=\"\", qop=\"auth-int , AUTH\"", "digest realm=\"\",nonce=,qop="]
    {
        let challenges = Challenges::parse([text].into_iter());
        assert!(Digest::strongest(&challenges).is_some(), "{text}");
    }
}
