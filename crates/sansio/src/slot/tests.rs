use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn tiny() -> IdLayout {
    IdLayout::new(1, 2, 2).unwrap()
}

#[test]
fn layouts_that_cannot_be_are_refused() {
    assert!(IdLayout::new(4, 20, 8).is_ok());
    for (shard, slot, generation) in
        [(4, 20, 9), (9, 10, 8), (0, 25, 4), (0, 10, 17), (4, 0, 8), (4, 20, 0), (255, 255, 255)]
    {
        assert_eq!(IdLayout::new(shard, slot, generation), Err(IdLayoutError));
    }
    assert!(serde_json::from_str::<IdLayout>(r#"{"shard_bits":9,"slot_bits":9,"generation_bits":9}"#).is_err());
}

#[test]
fn a_table_is_full_at_its_capacity_and_no_id_is_zero_or_all_ones() {
    let mut table = SlotTable::new(tiny(), 1);
    let ids: Vec<_> = (0..3).map(|n| table.insert(n).unwrap()).collect();
    assert_eq!(table.insert(3), Err(3));
    assert_eq!(table.next_id(), None);
    assert!(ids.iter().all(|id| id.0 != 0 && id.0 != 0b11111), "{ids:?}");
    assert_eq!(table.iter().collect::<Vec<_>>(), ids.iter().copied().zip(&[0, 1, 2]).collect::<Vec<_>>());
}

#[test]
fn an_id_of_a_past_life_falls_dead_until_the_generations_wrap() {
    let mut table = SlotTable::new(IdLayout::new(0, 1, 2).unwrap(), 0);
    let first = table.insert('a').unwrap();
    assert_eq!(table.remove(first), Some('a'));
    let second = table.insert('b').unwrap();
    assert_eq!((table.get(first), table.get(second)), (None, Some(&'b')));
    assert_eq!(table.remove(first), None);
    table.remove(second);
    let third = table.insert('c').unwrap();
    table.remove(third);
    assert_eq!(table.insert('d'), Ok(first), "three generations, then the first again");
}

#[test]
fn the_next_id_is_the_one_given_out() {
    let mut table = SlotTable::new(IdLayout::DEFAULT, 3);
    for n in 0..600 {
        let announced = table.next_id().unwrap();
        assert_eq!(table.insert(n), Ok(announced));
        assert_eq!(IdLayout::DEFAULT.unpack(announced).map(|parts| parts.shard), Some(3));
    }
    assert_eq!(table.len(), 600);
}

#[test]
fn freed_slots_are_used_again_as_late_as_possible() {
    let mut table = SlotTable::new(IdLayout::new(0, 3, 4).unwrap(), 0);
    let ids: Vec<_> = (0..4).map(|n| table.insert(n).unwrap()).collect();
    let slot = |id: SlotId| IdLayout::new(0, 3, 4).unwrap().unpack(id).unwrap().slot;
    table.remove(ids[2]);
    table.remove(ids[0]);
    assert_eq!(slot(table.insert(9).unwrap()), 2);
    assert_eq!(slot(table.insert(9).unwrap()), 0);
}

#[test]
fn restored_ids_are_kept_and_their_slots_not_given_out() {
    let mut table = SlotTable::new(tiny(), 0);
    let layout = table.layout();
    let id = layout.pack(IdParts { shard: 0, slot: 2, generation: 3 });
    table.insert_at(id, 'x').unwrap();
    assert_eq!(table.insert_at(id, 'y'), Err(InsertAtError::Taken(id)));
    let foreign = [
        layout.pack(IdParts { shard: 1, slot: 0, generation: 1 }),
        layout.pack(IdParts { shard: 0, slot: 3, generation: 1 }),
        layout.pack(IdParts { shard: 0, slot: 0, generation: 0 }),
        SlotId(1 << 31),
    ];
    for id in foreign {
        assert_eq!(table.insert_at(id, 'z'), Err(InsertAtError::Foreign(id)));
    }
    assert_eq!(table.insert('a').and_then(|_| table.insert('b')).map(|id| id != SlotId(0)), Ok(true));
    assert_eq!(table.insert('c'), Err('c'));
    assert_eq!((table.get(id), table.len()), (Some(&'x'), 3));
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u16),
    Remove(usize),
    RemoveDead(usize),
    Restore(u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => any::<u16>().prop_map(Op::Insert),
        2 => any::<usize>().prop_map(Op::Remove),
        1 => any::<usize>().prop_map(Op::RemoveDead),
        1 => (0..16u8, 1..8u8).prop_map(|(slot, generation)| Op::Restore(slot, generation)),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_map_of_ids(ops in proptest::collection::vec(op(), 1..300)) {
        let layout = IdLayout::new(2, 4, 3).unwrap();
        let mut table = SlotTable::new(layout, 2);
        let mut model: BTreeMap<SlotId, u16> = BTreeMap::new();
        let mut dead: Vec<SlotId> = Vec::new();
        for op in ops {
            match op {
                Op::Insert(value) => match table.insert(value) {
                    Ok(id) => {
                        prop_assert!(id.0 != 0 && id.0 != u32::MAX);
                        prop_assert_eq!(model.insert(id, value), None);
                        dead.retain(|past| *past != id);
                    }
                    Err(back) => {
                        prop_assert_eq!(back, value);
                        prop_assert_eq!(model.len(), 15);
                    }
                },
                Op::Remove(pick) => {
                    if let Some(id) = model.keys().nth(pick % model.len().max(1)).copied() {
                        prop_assert_eq!(table.remove(id), model.remove(&id));
                        dead.push(id);
                    }
                }
                Op::RemoveDead(pick) => {
                    if let Some(id) = dead.get(pick % dead.len().max(1)) {
                        prop_assert_eq!(table.remove(*id), None);
                    }
                }
                Op::Restore(slot, generation) => {
                    let id = layout.pack(IdParts { shard: 2, slot: slot.into(), generation: generation.into() });
                    let taken = model.keys().any(|known| layout.unpack(*known).is_some_and(|it| it.slot == u32::from(slot)));
                    let expected = match (slot < 15, taken) {
                        (false, _) => Err(InsertAtError::Foreign(id)),
                        (true, true) => Err(InsertAtError::Taken(id)),
                        (true, false) => Ok(()),
                    };
                    prop_assert_eq!(table.insert_at(id, 7), expected);
                    if expected.is_ok() {
                        model.insert(id, 7);
                        dead.retain(|past| *past != id);
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
            let mut listed: Vec<_> = table.iter().map(|(id, value)| (id, *value)).collect();
            listed.sort_unstable();
            prop_assert_eq!(listed, model.iter().map(|(id, value)| (*id, *value)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn packing_and_unpacking_agree(raw: u32) {
        let layout = IdLayout::new(3, 12, 9).unwrap();
        match layout.unpack(SlotId(raw)) {
            Some(parts) => prop_assert_eq!(layout.pack(parts), SlotId(raw)),
            None => prop_assert!(raw >> 24 != 0),
        }
    }
}
