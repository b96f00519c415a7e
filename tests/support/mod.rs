//! What the tests share.

pub mod ascii;
pub mod cluster;
pub mod stores;

/// The PostgreSQL that tests may make databases in, as `with-postgres.sh` provides.
pub fn postgres_url() -> String {
    std::env::var("BIAOTU_TEST_POSTGRES").expect("BIAOTU_TEST_POSTGRES: run the tests by `make test`, which starts a PostgreSQL for them")
}

/// Whether the long forms are asked for: `make soak`.
pub fn soak() -> bool {
    std::env::var_os("BIAOTU_SOAK").is_some()
}

/// A small seeded generator, so that a failure can be repeated: PCG-XSH-RR (O'Neill 2014).
pub struct Random(u64);

impl Random {
    /// Seeded by the test's name, and by BIAOTU_SEED where given.
    pub fn seeded(name: &str) -> Random {
        let seed: u64 = std::env::var("BIAOTU_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut random =
            Random(name.bytes().fold(seed ^ 0x9E37_79B9_7F4A_7C15, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)));
        random.next();
        random
    }
    fn next(&mut self) -> u32 {
        let state = self.0;
        self.0 = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((((state >> 18) ^ state) >> 27) as u32).rotate_right((state >> 59) as u32)
    }
    /// Uniform in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (f64::from(self.next()) / 4_294_967_296.0 * n as f64) as usize
    }
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (f64::from(self.next()) + f64::from(self.next()) / 4_294_967_296.0) / 4_294_967_296.0;
        low + (high - low) * unit
    }
}
