//! What values mean, and how they are written for people.

pub mod guess;

/// What values mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unit {
    /// A number.
    #[default]
    Plain,
    /// Seconds.
    Seconds,
    /// Bytes, in powers of 1024.
    Bytes,
    /// Bytes each second.
    BytesPerSecond,
    /// Things each second.
    PerSecond,
    /// A share, 1 being all; shown as a percentage.
    Ratio,
    /// A share, 100 being all.
    Percent,
}

/// A factor and what follows the number.
struct Scale {
    factor: f64,
    suffix: &'static str,
}

const DECIMAL: [(f64, &str); 5] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
const DECIMAL_RATE: [(f64, &str); 5] = [
    (1e15, "P/s"),
    (1e12, "T/s"),
    (1e9, "G/s"),
    (1e6, "M/s"),
    (1e3, "k/s"),
];
const BINARY: [(f64, &str); 5] = [
    (1_125_899_906_842_624.0, " PiB"),
    (1_099_511_627_776.0, " TiB"),
    (1_073_741_824.0, " GiB"),
    (1_048_576.0, " MiB"),
    (1024.0, " KiB"),
];
const BINARY_RATE: [(f64, &str); 5] = [
    (1_125_899_906_842_624.0, " PiB/s"),
    (1_099_511_627_776.0, " TiB/s"),
    (1_073_741_824.0, " GiB/s"),
    (1_048_576.0, " MiB/s"),
    (1024.0, " KiB/s"),
];
const SMALL_SECONDS: [(f64, &str); 4] = [(1.0, " s"), (1e-3, " ms"), (1e-6, " µs"), (1e-9, " ns")];

/// Beyond this a number is written with an exponent.
const HUGE: f64 = 1e18;
/// Below this too.
const TINY: f64 = 1e-4;

impl Unit {
    /// A value for people: some three significant digits with their unit.
    pub fn value(self, value: f64) -> String {
        if let Some(word) = not_finite(value) {
            return word.to_owned();
        }
        if self == Self::Seconds && value.abs() >= 60.0 {
            return duration(value);
        }
        let scale = self.scale(value.abs());
        let shown = value / scale.factor;
        if self.is_exponential(value.abs()) {
            return format!("{}{}", exponential(shown), scale.suffix);
        }
        let digits = if shown == 0.0 {
            0.0
        } else {
            shown.abs().log10().floor()
        };
        let decimals = (2.0 - digits).clamp(0.0, 6.0) as usize;
        // Of 99.95 % what is missing matters.
        let decimals = match self {
            Self::Percent | Self::Ratio if shown.abs() >= 90.0 => 2,
            Self::Percent | Self::Ratio => decimals.min(2),
            _ => decimals,
        };
        format!(
            "{}{}",
            trimmed(&format!("{shown:.decimals$}")),
            scale.suffix
        )
    }

    /// The labels of an axis: one scale and as many decimals for all of them.
    pub fn ticks(self, ticks: &[f64], step: f64) -> Vec<String> {
        let largest = ticks
            .iter()
            .fold(0.0_f64, |most, tick| most.max(tick.abs()));
        if self == Self::Seconds && largest >= 120.0 && step >= 1.0 {
            return ticks.iter().map(|tick| duration(*tick)).collect();
        }
        let scale = self.scale(largest);
        let shown_step = step / scale.factor;
        if self.is_exponential(largest) {
            let write = |tick: &f64| match *tick {
                0.0 => "0".to_owned(),
                tick => format!("{}{}", exponential(tick / scale.factor), scale.suffix),
            };
            return ticks.iter().map(write).collect();
        }
        let decimals = (0..9)
            .find(|decimals| {
                let power = 10_f64.powi(*decimals);
                let scaled = shown_step * power;
                (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1e-9)
            })
            .map_or(9, |decimals| usize::try_from(decimals).unwrap_or(0));
        ticks
            .iter()
            .map(|tick| {
                let text = format!("{:.decimals$}", tick / scale.factor);
                let text = match text.strip_prefix('-') {
                    Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest,
                    _ => text.as_str(),
                };
                // Zero needs no unit.
                if tick.abs() < step * 1e-9 {
                    "0".to_owned()
                } else {
                    format!("{text}{}", scale.suffix)
                }
            })
            .collect()
    }

    /// Steps of an axis that people like: the smallest one that is not below `least`.
    pub fn nice_step(self, least: f64) -> f64 {
        const MINUTES: [f64; 14] = [
            60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0,
            86_400.0, 172_800.0, 604_800.0,
        ];
        match self {
            Self::Seconds if (30.0..=604_800.0).contains(&least) => MINUTES
                .into_iter()
                .find(|step| *step >= least)
                .unwrap_or(604_800.0),
            Self::Bytes | Self::BytesPerSecond if least >= 1.0 => {
                2_f64.powi(least.log2().ceil() as i32)
            }
            _ => {
                let power = 10_f64.powf(least.log10().floor());
                [1.0, 2.0, 2.5, 5.0, 10.0]
                    .into_iter()
                    .map(|base| base * power)
                    // Rounding of the logarithm must not skip a step.
                    .find(|step| *step >= least * (1.0 - 1e-9))
                    .unwrap_or(10.0 * power)
            }
        }
    }

    fn is_exponential(self, magnitude: f64) -> bool {
        match self {
            Self::Seconds => magnitude < 1e-9 && magnitude > 0.0,
            _ => magnitude >= HUGE || (magnitude > 0.0 && magnitude < TINY),
        }
    }

    fn scale(self, magnitude: f64) -> Scale {
        let one = |suffix| Scale {
            factor: 1.0,
            suffix,
        };
        let pick = |steps: &[(f64, &'static str)], least: &'static str| {
            let found = steps.iter().find(|(factor, _)| magnitude >= *factor);
            found
                .filter(|_| magnitude < HUGE)
                .map_or(one(least), |(factor, suffix)| Scale {
                    factor: *factor,
                    suffix,
                })
        };
        match self {
            Self::Plain => pick(&DECIMAL, ""),
            Self::PerSecond => pick(&DECIMAL_RATE, "/s"),
            Self::Bytes => pick(&BINARY, " B"),
            Self::BytesPerSecond => pick(&BINARY_RATE, " B/s"),
            Self::Seconds if magnitude == 0.0 => one(" s"),
            Self::Seconds => pick(&SMALL_SECONDS, " s"),
            Self::Ratio => Scale {
                factor: 0.01,
                suffix: "%",
            },
            Self::Percent => one("%"),
        }
    }
}

/// The word for what is no number.
pub fn not_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// `1d 4h`, `2m 30s`: the two largest units.
fn duration(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs().round();
    if whole >= 3_155_760_000_000.0 {
        return format!("{sign}{}", Unit::Plain.value(whole / 31_557_600.0)) + " y";
    }
    let whole = whole as u64;
    if whole == 0 {
        return "0".to_owned();
    }
    let parts = [
        (whole / 31_557_600, "y"),
        (whole % 31_557_600 / 86_400, "d"),
        (whole % 31_557_600 % 86_400 / 3600, "h"),
        (whole % 31_557_600 % 3600 / 60, "m"),
        (whole % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(4);
    let shown: Vec<String> = parts[first..(first + 2).min(5)]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    format!("{sign}{}", shown.join(" "))
}

fn exponential(value: f64) -> String {
    let text = format!("{value:.2e}");
    match text.split_once('e') {
        Some((digits, exponent)) => format!("{}e{exponent}", trimmed(digits)),
        None => text,
    }
}

fn trimmed(text: &str) -> &str {
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    };
    if text == "-0" { "0" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_with_their_unit() {
        let check = |unit: Unit, value: f64, want: &str| {
            assert_eq!(unit.value(value), want, "{unit:?} {value}");
        };
        check(Unit::Plain, 0.0, "0");
        check(Unit::Plain, 1234.5678, "1.23k");
        check(Unit::Plain, -12.5, "-12.5");
        check(Unit::Plain, 0.00001, "1e-5");
        check(Unit::Plain, 1.7e308, "1.7e308");
        check(Unit::Plain, f64::NAN, "NaN");
        check(Unit::Plain, f64::NEG_INFINITY, "-Inf");
        check(Unit::Seconds, 0.0123, "12.3 ms");
        check(Unit::Seconds, 1.5, "1.5 s");
        check(Unit::Seconds, 5400.0, "1h 30m");
        check(Unit::Seconds, 90_061.0, "1d 1h");
        check(Unit::Bytes, 1_610_612_736.0, "1.5 GiB");
        check(Unit::Bytes, 12.0, "12 B");
        check(Unit::BytesPerSecond, 2048.0, "2 KiB/s");
        check(Unit::PerSecond, 1500.0, "1.5k/s");
        check(Unit::Ratio, 0.0512, "5.12%");
        check(Unit::Ratio, 1.0, "100%");
        check(Unit::Percent, 99.951, "99.95%");
    }

    #[test]
    fn labels_of_an_axis_share_scale_and_decimals() {
        let check = |unit: Unit, ticks: &[f64], step: f64, want: &[&str]| {
            assert_eq!(unit.ticks(ticks, step), want, "{unit:?} {ticks:?}");
        };
        check(
            Unit::Seconds,
            &[0.0, 0.25, 0.5],
            0.25,
            &["0", "250 ms", "500 ms"],
        );
        check(
            Unit::Seconds,
            &[0.0, 0.5, 1.0],
            0.5,
            &["0", "0.5 s", "1.0 s"],
        );
        check(Unit::Seconds, &[0.0, 60.0, 120.0], 60.0, &["0", "1m", "2m"]);
        check(
            Unit::Ratio,
            &[0.0, 0.025, 0.05],
            0.025,
            &["0", "2.5%", "5.0%"],
        );
        check(
            Unit::Plain,
            &[-500.0, 0.0, 1000.0],
            500.0,
            &["-0.5k", "0", "1.0k"],
        );
        check(
            Unit::Bytes,
            &[0.0, 536_870_912.0, 1_073_741_824.0],
            536_870_912.0,
            &["0", "0.5 GiB", "1.0 GiB"],
        );
    }

    #[test]
    fn steps_are_those_that_people_like() {
        let check = |unit: Unit, least: f64, want: f64| {
            let step = unit.nice_step(least);
            assert!(
                (step - want).abs() < want * 1e-9,
                "{unit:?} {least}: {step}"
            );
        };
        check(Unit::Plain, 0.3, 0.5);
        check(Unit::Plain, 1.0, 1.0);
        check(Unit::Plain, 11.0, 20.0);
        check(Unit::Seconds, 50.0, 60.0);
        check(Unit::Seconds, 0.0003, 0.0005);
        check(Unit::Bytes, 700.0, 1024.0);
        check(Unit::Bytes, 0.2, 0.2);
    }
}
