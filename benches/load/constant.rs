//! An axum handler that returns as many bytes as asked from a constant: the floor that a handler can't go below.

use axum::{Router, http::header};

#[tokio::main]
async fn main() {
    let size = std::env::args().nth(1).and_then(|n| n.parse().ok()).expect("how many bytes");
    let body: bytes::Bytes = vec![b'x'; size].into();
    let answer = move || {
        let body = body.clone();
        async move { ([(header::CONTENT_TYPE, "application/geo+json")], body) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("http://{}", listener.local_addr().expect("an address"));
    axum::serve(listener, Router::new().fallback(answer)).await.expect("a server");
}
