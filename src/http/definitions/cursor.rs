//! Cursors of lists: where the next page begins, as text that clients hand back and do not read.
//!
//! It is the order, the value of the column that orders and the identifier, as JSON in Base64. Nothing in it is believed:
//! it can only lead to another place in a list that the caller may read anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::parameter;
use crate::db::definitions::keyset::{OrderValue, Place};
use crate::db::definitions::{Column, Filter};
use crate::http::problem::Problem;

/// Longer ones are none of ours.
const LONGEST: usize = 4_096;

/// The order, the value as text, the identifier.
type Content = (String, String, String);

pub(super) fn write(place: &Place, filter: &Filter) -> String {
    let value = match &place.value {
        OrderValue::Text(text) => text.clone(),
        OrderValue::Millis(millis) => millis.to_string(),
    };
    let content: Content = (order(filter), value, place.id.clone());
    let json = serde_json::to_vec(&content).expect("three texts are JSON");
    URL_SAFE_NO_PAD.encode(json)
}

pub(super) fn read(text: &str, filter: &Filter) -> Result<Place, Problem> {
    let wrong = || parameter("cursor", "write the next_cursor of a page of this list");
    if text.len() > LONGEST {
        return Err(wrong());
    }
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let content = serde_json::from_slice::<Content>(&json).map_err(|_| wrong())?;
    let (of, value, id) = content;
    if of != order(filter) {
        return Err(parameter(
            "cursor",
            "it belongs to another order; keep sort as it was",
        ));
    }
    let value = if filter.order == Column::UpdatedAt {
        OrderValue::Millis(value.parse().map_err(|_| wrong())?)
    } else {
        OrderValue::Text(value)
    };
    Ok(Place { value, id })
}

fn order(filter: &Filter) -> String {
    let direction = if filter.descending { "-" } else { "" };
    format!("{direction}{:?}", filter.order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_in_its_own_order_only() {
        let by = |order| Filter {
            order,
            ..Filter::default()
        };
        let check = |filter: &Filter, value: OrderValue| {
            let place = Place {
                value,
                id: "A".to_owned(),
            };
            let text = write(&place, filter);
            assert_eq!(read(&text, filter).unwrap(), place, "{text}");
            text
        };
        let name = by(Column::Name);
        let text = check(&name, OrderValue::Text("ü \" \u{0}".to_owned()));
        let time = by(Column::UpdatedAt);
        check(&time, OrderValue::Millis(-5));
        let down = Filter {
            descending: true,
            ..name.clone()
        };
        for other in [&time, &down] {
            assert!(read(&text, other).is_err(), "{other:?}");
        }
        let empty = URL_SAFE_NO_PAD.encode("[]");
        for wrong in ["", "x", "%", &*empty, &"A".repeat(5_000)] {
            assert!(read(wrong, &name).is_err(), "{wrong}");
        }
    }
}
