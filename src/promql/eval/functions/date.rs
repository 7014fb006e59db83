//! Parts of the date of a Unix time in UTC.
//!
//! Own arithmetic on days rather than a calendar library: any float may come here, years far outside of a library's
//! range too (H. Hinnant, "chrono-compatible low-level date algorithms").

use super::super::super::ast::FunctionId as Id;

const DAY: i64 = 86_400;

/// What a function reads from seconds since the epoch, where it is one of these.
pub(super) fn function(id: Id) -> Option<fn(i64) -> f64> {
    Some(match id {
        Id::Minute => |time| (time.rem_euclid(3600) / 60) as f64,
        Id::Hour => |time| (time.rem_euclid(DAY) / 3600) as f64,
        // The epoch was a Thursday.
        Id::DayOfWeek => |time| (time.div_euclid(DAY) + 4).rem_euclid(7) as f64,
        Id::DayOfMonth => |time| Date::of(time).day as f64,
        Id::DayOfYear => |time| Date::of(time).day_of_year() as f64,
        Id::DaysInMonth => |time| Date::of(time).days_in_month() as f64,
        Id::Month => |time| Date::of(time).month as f64,
        Id::Year => |time| Date::of(time).year as f64,
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    fn of(time: i64) -> Self {
        // Years begin in March here, so that the leap day is the last one.
        let days = time.div_euclid(DAY) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        }
    }

    fn is_leap_year(self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    fn days_in_month(self) -> i64 {
        match self.month {
            2 if self.is_leap_year() => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn day_of_year(self) -> i64 {
        (1..self.month)
            .map(|month| Self { month, ..self }.days_in_month())
            .sum::<i64>()
            + self.day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (time, want) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (951_782_400, (2000, 2, 29)),
            (1_709_164_800, (2024, 2, 29)),
            (4_107_542_400, (2100, 3, 1)),
            (-62_135_596_800, (1, 1, 1)),
        ] {
            let date = Date::of(time);
            assert_eq!((date.year, date.month, date.day), want, "{time}");
        }
        assert_eq!(Date::of(1_735_603_200).day_of_year(), 366);
        assert_eq!(function(Id::DayOfWeek).expect("a date function")(0), 4.0);
        // No time is too far away.
        assert!(Date::of(i64::MIN).year < -200_000_000_000);
    }
}
