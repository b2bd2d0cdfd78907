//! The growth of the cost, as the formulas state it and as the simulation measures it.

use crate::report::number;
use crate::simulation::{Fleet, SECOND};
use crate::strategy::Strategy;
use std::fmt::Write;

/// The strategies with a steady cost. Where each process measures the cost of a creation itself, the fleet is still
/// learning.
const STATED: [Strategy; 5] =
    [Strategy::Unprotected, Strategy::OwnValues, Strategy::Stamped, Strategy::Early, Strategy::OneLock];

/// The formulas.
pub const FORMULAS: &str = "\
P processes, K keys, r requests per second to each process; p = P r / K for each key. C is what a creation takes,
T how long a value lives, L = T + C + 1/p from one creation to the next. In queries per second:
  no protection      K (1 + p C) / L                            all that come while one creates: with many, P r C / T
  lock per process   P K / (T + C + K / r)                      each process for itself
  stamped values     K (1 + (P-1) (1 - e^(-r C / K))) / L       each process that is asked while one creates
  early renewal      K e^(1/b) / (T + C - b C (ln(b p C) + 0.58))    a larger fleet, or more requests: earlier, not more
  one lock for all   K / L
b is beta. That of early renewal holds for p C well above 1. Where the cost must be learnt, the queries fall from those
of stamped values to these, expiry by expiry, as more processes have learnt it.";

/// The queries per second by the formula of this strategy.
pub fn stated(fleet: &Fleet, strategy: Strategy) -> f64 {
    let seconds = |time: u64| time as f64 / SECOND as f64;
    let (processes, keys, rate) = (f64::from(fleet.processes), f64::from(fleet.keys), fleet.rate);
    let (creation, expiry, per_key) = (seconds(fleet.creation), seconds(fleet.expiry), fleet.rate_per_key());
    let cycle = expiry + creation + 1.0 / per_key;
    match strategy {
        Strategy::Unprotected => keys * (1.0 + per_key * creation) / cycle,
        Strategy::OwnValues => processes * keys / (expiry + creation + keys / rate),
        Strategy::Stamped => keys * (1.0 + (processes - 1.0) * (1.0 - (-rate * creation / keys).exp())) / cycle,
        Strategy::Early | Strategy::EarlyMeasured => {
            // At the time t before the expiry, early requests come at e^(-t/(b C)) of the rate of all. The first comes
            // when the integral of that rate, from infinitely long before, reaches a number that is drawn from an
            // exponential distribution. The mean logarithm of such a number is -0.58 (Euler's constant, negated). While
            // the first request creates, the integral grows by the factor e^(1/b).
            let scale = fleet.beta * creation;
            let early = scale * ((scale * per_key).ln() + 0.577_215_664_9);
            keys * (1.0 / fleet.beta).exp() / (expiry + creation - early.max(0.0))
        }
        Strategy::OneLock => keys / cycle,
    }
}

/// The table. It starts from a fleet of a thousand, and has ten times as many processes, keys or requests.
pub fn table(fleet: &Fleet) -> String {
    let base = Fleet { processes: 1000, keys: 10, ..*fleet };
    let grown = [
        ("10 x processes", Fleet { processes: base.processes * 10, ..base }),
        ("10 x keys", Fleet { keys: base.keys * 10, ..base }),
        ("10 x requests", Fleet { rate: base.rate * 10.0, ..base }),
    ];
    let mut text = format!(
        "{FORMULAS}\n\nFrom 1000 processes, 10 keys, {} requests/s each; exponents of growth\n\n\
         {:<18}{:>16}{:>20}{:>20}{:>20}\n{:<18}{:>9}{:>7}{:>11}{:>9}{:>11}{:>9}{:>11}{:>9}\n",
        number(base.rate),
        "strategy",
        "queries/s",
        grown[0].0,
        grown[1].0,
        grown[2].0,
        "",
        "measured",
        "stated",
        "measured",
        "stated",
        "measured",
        "stated",
        "measured",
        "stated",
    );
    for strategy in STATED {
        let measured = base.simulate(strategy).mean();
        let (name, expected) = (strategy.name(), number(stated(&base, strategy)));
        let _ = write!(text, "{name:<18}{:>9}{expected:>7}", number(measured));
        for (_, grown) in &grown {
            let exponent = (grown.simulate(strategy).mean() / measured).log10();
            let expected = (stated(grown, strategy) / stated(&base, strategy)).log10();
            let _ = write!(text, "{exponent:>11.2}{expected:>9.2}");
        }
        text.push('\n');
    }
    text
}
