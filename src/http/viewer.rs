//! Who asks: the one place where a request becomes a [`Viewer`].
//!
//! On loopback with no account, a request with a loopback Host, no foreign Origin and no forwarding header is the local
//! admin. Anything else is refused: a page that a browser got elsewhere must not reach the registers through it.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, header, request::Parts},
};

use crate::{
    error::{Code, Error, Result},
    model::Viewer,
};

const FORWARDING: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Identifies who asks, or refuses.
pub(super) fn viewer_of(uri: &Uri, headers: &HeaderMap) -> Result<Viewer> {
    let refuse = |what: &str, value: &str| {
        Err(Error::new(
            Code::Forbidden,
            what,
            format!("{what}: {value}"),
            "Open the server by its loopback address / 请使用本机回环地址访问",
        ))
    };
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(header::HOST)).unwrap_or_default();
    if !is_loopback(host) {
        return refuse("Host", host);
    }
    // A browser sends the page's own origin with writes; any other page is foreign.
    if let Some(origin) = text(header::ORIGIN)
        && origin.split_once("://").is_none_or(|(_, authority)| authority != host)
    {
        return refuse("Origin", origin);
    }
    if text(header::HeaderName::from_static("sec-fetch-site")) == Some("cross-site") {
        return refuse("Sec-Fetch-Site", "cross-site");
    }
    if let Some(name) = FORWARDING.iter().find(|name| headers.contains_key(**name)) {
        return refuse(name, "present");
    }
    Ok(Viewer::local_admin())
}

/// Whether `host[:port]` names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Viewer> {
        parts.extensions.get::<Viewer>().cloned().ok_or_else(|| Error::internal("a route outside the viewer middleware"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_from_this_machine_are_the_admin() {
        let ask = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            viewer_of(&Uri::from_static("/collections"), &headers).is_ok()
        };
        for host in ["localhost:8080", "127.0.0.1", "127.9.8.7:1", "[::1]:8080"] {
            assert!(ask(&[("host", host)]), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1:8080", "", "[::2]", "127.0.0.1.evil.example:80"] {
            assert!(!ask(&[("host", host)]), "{host}");
        }
        assert!(ask(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")]));
        assert!(!ask(&[("host", "127.0.0.1:8080"), ("origin", "http://evil.example")]));
        assert!(!ask(&[("host", "127.0.0.1:8080"), ("origin", "null")]));
        assert!(!ask(&[("host", "127.0.0.1:8080"), ("x-forwarded-for", "10.0.0.1")]));
        assert!(!ask(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")]));
    }
}
