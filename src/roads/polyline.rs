//! Encoded polylines, as OSRM's clients read them: latitude before longitude, differences in base 64.

use super::Point;

/// Decimals of a degree that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Five,
    Six,
}

impl Precision {
    /// How many of [`Point`]'s units make one of the polyline's.
    const fn units(self) -> i32 {
        match self {
            Precision::Five => 100,
            Precision::Six => 10,
        }
    }
}

/// To the nearest, halves away from zero, so that a line and its mirror image round alike.
const fn rounded(value: i32, units: i32) -> i32 {
    let half = if value < 0 { -(units / 2) } else { units / 2 };
    value.saturating_add(half) / units
}

/// Writes the polyline into a JSON string that is being written: its only character to escape is the backslash.
pub fn write(positions: impl IntoIterator<Item = Point>, precision: Precision, out: &mut Vec<u8>) {
    let units = precision.units();
    let mut last = (0, 0);
    for position in positions {
        let here = (rounded(position.lat, units), rounded(position.lon, units));
        write_number(i64::from(here.0) - i64::from(last.0), out);
        write_number(i64::from(here.1) - i64::from(last.1), out);
        last = here;
    }
}

fn write_number(number: i64, out: &mut Vec<u8>) {
    // The sign goes last, so that small numbers stay short.
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    loop {
        let more = rest >= 32;
        let digit = (rest & 31) as u8 + if more { 32 + 63 } else { 63 };
        out.push(digit);
        if digit == b'\\' {
            out.push(digit);
        }
        rest >>= 5;
        if !more {
            return;
        }
    }
}

/// The positions of a polyline; none where it is malformed or leaves the globe.
pub fn decode(text: &str, precision: Precision) -> Option<Vec<Point>> {
    let units = i64::from(precision.units());
    let on_globe =
        |value: i64, degrees: i64| i32::try_from(value * units).ok().filter(|value| i64::from(*value).abs() <= degrees * 10_000_000);
    let mut bytes = text.bytes();
    let (mut lat, mut lon) = (0, 0);
    let mut positions = Vec::with_capacity(text.len() / 4);
    while bytes.len() > 0 {
        lat += read_number(&mut bytes)?;
        lon += read_number(&mut bytes)?;
        positions.push(Point { lon: on_globe(lon, 180)?, lat: on_globe(lat, 90)? });
    }
    Some(positions)
}

fn read_number(bytes: &mut std::str::Bytes<'_>) -> Option<i64> {
    let mut number = 0;
    // Seven digits hold any difference of two positions.
    for shift in 0..7 {
        let digit = i64::from(bytes.next()?.checked_sub(63)?);
        if digit >= 64 {
            return None;
        }
        number |= (digit & 31) << (5 * shift);
        if digit < 32 {
            return Some((number >> 1) ^ -(number & 1));
        }
    }
    None
}
