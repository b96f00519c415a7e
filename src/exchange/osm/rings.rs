//! Areas of multipolygon relations: rings put together from ways that may be split, in any order and direction.

use std::collections::HashMap;

use geo::{
    Coord, LineString, MultiPolygon, Polygon,
    coordinate_position::{CoordPos, coord_pos_relative_to_ring},
};

/// An area of more rings than this isn't put together: comparing them all would take too long.
pub const RINGS_MAX: usize = 500;

/// Joins ways, as lists of node ids, into closed rings. `None` where an end stays open, as at an extract's edge.
pub fn join(ways: &[&[i64]]) -> Option<Vec<Vec<i64>>> {
    let ends = |way: &[i64]| Some((*way.first()?, *way.last()?));
    let mut at: HashMap<i64, Vec<usize>> = HashMap::new();
    for (i, way) in ways.iter().enumerate() {
        let (first, last) = ends(way)?;
        at.entry(first).or_default().push(i);
        at.entry(last).or_default().push(i);
    }
    let mut used = vec![false; ways.len()];
    let mut rings = Vec::new();
    for start in 0..ways.len() {
        if std::mem::replace(&mut used[start], true) {
            continue;
        }
        // The joints passed so far, and the ways between them.
        let (first, mut end) = ends(ways[start])?;
        let mut joints = vec![first];
        let mut passed = HashMap::from([(first, 0)]);
        let mut path: Vec<Vec<i64>> = vec![ways[start].to_vec()];
        loop {
            if let Some(back) = passed.get(&end).copied() {
                // Back at a joint: what lies between is a ring. So rings that touch at a joint come apart rightly.
                let mut ring = vec![end];
                path.drain(back..).for_each(|way| ring.extend_from_slice(&way[1..]));
                rings.push(ring);
                joints.drain(back + 1..).for_each(|joint| {
                    passed.remove(&joint);
                });
                if path.is_empty() {
                    break;
                }
            } else {
                passed.insert(end, joints.len());
                joints.push(end);
            }
            let next = loop {
                let next = at.get_mut(&end)?.pop()?;
                if !std::mem::replace(&mut used[next], true) {
                    break next;
                }
            };
            let mut way = ways[next].to_vec();
            if way.first() != Some(&end) {
                way.reverse();
            }
            end = *way.last()?;
            path.push(way);
        }
    }
    Some(rings)
}

/// Puts holes into the rings that hold them. `None` where a hole lies in no ring, or there are too many rings.
pub fn nest(outer: Vec<Vec<Coord>>, inner: Vec<Vec<Coord>>) -> Option<MultiPolygon> {
    if outer.is_empty() || outer.len() + inner.len() > RINGS_MAX {
        return None;
    }
    let mut areas: Vec<Polygon> = outer.into_iter().map(|ring| Polygon::new(LineString(ring), vec![])).collect();
    for ring in inner {
        let holds = |area: &Polygon| {
            // A hole may touch its ring at some corners, but not lie on it at all of them.
            let positions = ring.iter().map(|corner| coord_pos_relative_to_ring(*corner, area.exterior()));
            positions.into_iter().find(|position| *position != CoordPos::OnBoundary) == Some(CoordPos::Inside)
        };
        let area = areas.iter_mut().find(|area| holds(area))?;
        area.interiors_push(LineString(ring));
    }
    Some(MultiPolygon(areas))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(rings: Option<Vec<Vec<i64>>>) -> Option<Vec<Vec<i64>>> {
        let mut rings: Vec<Vec<i64>> = rings?
            .into_iter()
            .map(|mut ring| {
                assert_eq!(ring.first(), ring.last());
                ring.pop();
                ring.sort_unstable();
                ring
            })
            .collect();
        rings.sort();
        Some(rings)
    }

    #[test]
    fn split_ways_join_in_any_order_and_direction() {
        assert_eq!(sorted(join(&[&[1, 2, 3], &[5, 1], &[5, 4, 3]])), Some(vec![vec![1, 2, 3, 4, 5]]));
        assert_eq!(sorted(join(&[&[1, 2, 3, 1], &[4, 5], &[5, 6, 4]])), Some(vec![vec![1, 2, 3], vec![4, 5, 6]]));
        assert_eq!(join(&[]), Some(vec![]));
    }

    #[test]
    fn rings_that_touch_at_a_joint_come_apart() {
        // A bow tie of two triangles at 9, each of two ways.
        let rings = sorted(join(&[&[1, 9], &[9, 3, 4], &[9, 2, 1], &[4, 9]]));
        assert_eq!(rings, Some(vec![vec![1, 2, 9], vec![3, 4, 9]]));
    }

    #[test]
    fn an_open_end_is_told() {
        assert_eq!(join(&[&[1, 2, 3], &[3, 4]]), None);
        assert_eq!(join(&[&[1, 2, 1], &[3, 4]]), None);
        assert_eq!(join(&[&[]]), None);
    }

    #[test]
    fn a_hole_goes_into_the_ring_that_holds_it() {
        let square = |x: f64, y: f64, size: f64| {
            [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)].map(|(i, j)| Coord { x: x + i * size, y: y + j * size }).to_vec()
        };
        let area = nest(vec![square(0.0, 0.0, 10.0), square(20.0, 0.0, 10.0)], vec![square(22.0, 2.0, 1.0)]).unwrap();
        assert_eq!(area.0.iter().map(|polygon| polygon.interiors().len()).collect::<Vec<_>>(), [0, 1]);
        // One that touches its ring with a corner is held all the same.
        assert!(
            nest(
                vec![square(0.0, 0.0, 10.0)],
                vec![vec![(0.0, 0.0), (2.0, 1.0), (1.0, 2.0), (0.0, 0.0)].into_iter().map(Coord::from).collect()]
            )
            .is_some()
        );
        assert!(nest(vec![square(0.0, 0.0, 10.0)], vec![square(30.0, 0.0, 1.0)]).is_none());
        assert!(nest(vec![], vec![]).is_none());
    }
}
