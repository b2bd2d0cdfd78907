//! The pictures: the queries that the database sees, over the size of the fleet and around an expiry.
//!
//! The pictures must be readable without the text beside them, on a dark page, and by the colour-blind. So they have a
//! white ground of their own, the colours of Okabe and Ito, a name at the end of each line, and dashes where two lines
//! may lie on each other.

use crate::options::Options;
use crate::report::{clocks, number};
use crate::seen::Seen;
use crate::simulation::{Fleet, MS, SECOND};
use crate::strategy::Strategy;
use plotters::coord::Shift;
use plotters::coord::combinators::LogCoord;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use std::error::Error;
use std::fs;
use std::path::Path;

type Drawn<T> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The line of a strategy.
type Line = (Strategy, Vec<(f64, f64)>);

const WIDTH: u32 = 1100;
const HEIGHT: u32 = 560;
const HEAD: u32 = 76;
const MARGIN: i32 = 20;
/// The width of the margin for the names at the ends of the lines.
const NAMES: u32 = 150;
/// The least distance between two names.
const NAME_HEIGHT: i32 = 18;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(225, 228, 232);
const STROKE: u32 = 3;
/// The number of labels that fit on an axis.
const LABELS: usize = 9;

fn colour(strategy: Strategy) -> RGBColor {
    match strategy {
        Strategy::Unprotected => RGBColor(213, 94, 0),
        Strategy::OwnValues => RGBColor(204, 121, 167),
        Strategy::Stamped => RGBColor(0, 114, 178),
        Strategy::Early => RGBColor(0, 158, 115),
        Strategy::EarlyMeasured => RGBColor(230, 159, 0),
        Strategy::OneLock => RGBColor(0, 0, 0),
    }
}

/// Whether the line is dashed. Of two lines that may lie on each other, one is.
fn is_dashed(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Stamped | Strategy::EarlyMeasured)
}

/// Draws the queries per second over the number of processes: on average, and in the worst second.
pub fn draw_processes(to: &Path, options: &Options, all: &[(Strategy, u32, Seen)]) -> Drawn<()> {
    let lines = |height: fn(&Seen) -> f64| -> Vec<Line> {
        let of = |strategy: Strategy| {
            let mine = all.iter().filter(move |(other, ..)| *other == strategy);
            mine.map(|(_, processes, seen)| (f64::from(*processes), height(seen))).collect()
        };
        Strategy::ALL.into_iter().map(|strategy| (strategy, of(strategy))).collect()
    };
    let title = "A value expires under a fleet: how many queries does the database see?";
    let facts = format!(
        "{} requests/s to each process; {}; {} ms to create a value, which lives for {} s; {}; \
         {} s from the first expiry on",
        number(options.rate),
        if options.keys == 1 { "one key".into() } else { format!("{} keys", options.keys) },
        options.creation,
        number(options.expiry as f64 / 1e3),
        clocks(options),
        options.duration,
    );
    draw(to, title, &facts, |body| {
        let (left, right) = body.split_horizontally(WIDTH / 2);
        let x = Axis { from: 1.0, to: f64::from(options.processes).max(2.0), name: "processes" };
        let (mean, peak) = (lines(Seen::mean), lines(|seen| f64::from(seen.peak())));
        let y = |name| {
            let all = || mean.iter().chain(&peak).flat_map(|(_, line)| line).map(|(_, y)| *y).filter(|y| *y > 0.0);
            let (lowest, highest) = (all().fold(1.0, f64::min), all().fold(1.0, f64::max));
            Axis { from: lowest * 0.5, to: highest * 2.0, name }
        };
        over_processes(&left, &x, &y("queries per second, on average"), &mean)?;
        over_processes(&right, &x, &y("queries in the worst second"), &peak)
    })
}

/// Draws the queries per second around the expiry of a value, in a fleet of a thousand.
pub fn draw_expiry(to: &Path, options: &Options) -> Drawn<()> {
    /// The number of keys whose expiries are laid over each other. Each key is asked as often as a single key would be.
    const KEYS: u32 = 500;
    const BEFORE: u64 = 60;
    const BINS: usize = 80;
    const LOWEST: f64 = 0.1;
    let one = options.fleet(1000);
    // Fine enough to show a creation, and wide enough to show half of a lifetime at the most.
    let bin_width = (one.creation / 4).min(one.expiry / (2 * BEFORE)).max(1);
    let begins = |bin: usize| (bin as f64 - BEFORE as f64) * bin_width as f64 / SECOND as f64;
    let mut expiries = 0;
    let mut line = |strategy: Strategy| {
        // A value for each process and key would be slow to simulate. With fewer keys the line is smooth already.
        let keys = if strategy.shares_values() { KEYS } else { KEYS / 10 };
        let rate = one.rate * f64::from(keys) / f64::from(one.keys);
        let fleet = Fleet { keys, rate, duration: one.expiry + BINS as u64 * bin_width, ..one };
        let record = fleet.queries(strategy);
        // Before the end of the first lifetime not all values are there, so only values that are born late enough are
        // counted.
        let is_seen = |born: u64| born >= BEFORE * bin_width;
        let mut bins = [0_u32; BINS];
        for query in &record.queries {
            let born = record.born[query.key as usize];
            let since = (query.at + BEFORE * bin_width).checked_sub(born + fleet.expiry).filter(|_| is_seen(born));
            if let Some(bin) = since.and_then(|since| bins.get_mut((since / bin_width) as usize)) {
                *bin += 1;
            }
        }
        let seen = record.born[..keys as usize].iter().filter(|born| is_seen(**born)).count().max(1);
        expiries = expiries.max(seen);
        let height = |count: u32| f64::from(count) / (seen as f64 * bin_width as f64 / SECOND as f64);
        let stairs = |(bin, count): (usize, &u32)| [bin, bin + 1].map(|bin| (begins(bin), height(*count).max(LOWEST)));
        bins.iter().enumerate().flat_map(stairs).collect()
    };
    // At a first expiry no process has measured the cost. The line would be the line of stamped values.
    let shown = Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::EarlyMeasured);
    let lines: Vec<Line> = shown.map(|strategy| (strategy, line(strategy))).collect();
    let highest = lines.iter().flat_map(|(_, line)| line).map(|(_, y)| *y).fold(1.0, f64::max);
    let title = "A value expires under 1000 processes: what does the database see just then?";
    let facts = format!(
        "{} requests/s to each; {} ms to create a value; {}; \
         {expiries} expiries laid over each other, in steps of {} ms; {LOWEST} queries/s and less lie on the axis",
        number(one.rate / f64::from(one.keys)),
        options.creation,
        clocks(options),
        number(bin_width as f64 / MS as f64),
    );
    draw(to, title, &facts, |body| {
        let x = Axis { from: begins(0), to: begins(BINS), name: "seconds from the expiry" };
        let y = Axis { from: LOWEST, to: highest * 2.0, name: "queries per second, for one key" };
        around_expiry(body, &x, &y, &lines)
    })
}

struct Axis {
    from: f64,
    to: f64,
    name: &'static str,
}

/// Draws title and facts, and below them what `body` draws.
fn draw(to: &Path, title: &str, facts: &str, body: impl FnOnce(&Area<'_>) -> Drawn<()>) -> Drawn<()> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, below) = root.split_vertically(HEAD);
        head.draw(&Text::new(title, (MARGIN, 16), (FONT, 22).into_font().color(&INK)))?;
        head.draw(&Text::new(facts, (MARGIN, 46), (FONT, 15).into_font().color(&INK)))?;
        body(&below)?;
        root.present()?;
    }
    let write = || {
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(to, svg)
    };
    write().map_err(|error| format!("cannot write the picture to {}: {error}", to.display()).into())
}

/// Draws lines with both axes in powers of ten.
fn over_processes(area: &Area<'_>, x: &Axis, y: &Axis, lines: &[Line]) -> Drawn<()> {
    let mut chart = on(area).build_cartesian_2d((x.from..x.to).log_scale(), (y.from..y.to).log_scale())?;
    axes(&mut chart, x, y, &grouped)?;
    let mut ends = Vec::new();
    for (strategy, line) in lines {
        // A logarithmic axis has no place for zero.
        let line: Vec<_> = line.iter().copied().filter(|(_, y)| *y > 0.0).collect();
        draw_line(&mut chart, *strategy, &line)?;
        chart.draw_series(line.iter().map(|at| Circle::new(*at, 4, colour(*strategy).filled())))?;
        ends.extend(line.last().map(|end| (*strategy, chart.backend_coord(end))));
    }
    names(area, &ends)
}

/// Draws lines over linear time, with queries in powers of ten.
fn around_expiry(area: &Area<'_>, x: &Axis, y: &Axis, lines: &[Line]) -> Drawn<()> {
    let mut chart = on(area).build_cartesian_2d(x.from..x.to, (y.from..y.to).log_scale())?;
    axes(&mut chart, x, y, &|x| if x.abs() < 1e-9 { "0".into() } else { format!("{:+}", (x * 1e3).round() / 1e3) })?;
    chart.draw_series([PathElement::new([(0.0, y.from), (0.0, y.to)], INK.stroke_width(1))])?;
    // A line that ends on the axis gets its name at its greatest height, beside the last place where it was above the
    // axis. If that place is after the expiry, the name stands beside the last place where any such line was above the
    // axis.
    let last_above = |line: &[(f64, f64)]| line.iter().rev().find(|at| at.1 > y.from).map_or(x.from, |at| at.0);
    let over = lines.iter().map(|(_, line)| last_above(line)).filter(|at| *at < x.to).fold(0.0, f64::max);
    let mut ends = Vec::new();
    for (strategy, line) in lines {
        draw_line(&mut chart, *strategy, line)?;
        let end = match (last_above(line), line.last()) {
            (at, Some(last)) if at >= x.to => (at, last.1),
            (at, _) => (if at > 0.0 { over } else { at }, line.iter().map(|(_, y)| *y).fold(y.from, f64::max)),
        };
        ends.push((*strategy, chart.backend_coord(&end)));
    }
    names(area, &ends)
}

fn on<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(10).margin_right(NAMES).x_label_area_size(46).y_label_area_size(76);
    builder
}

type Chart<'a, 'b, X> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, LogCoord<f64>>>;

fn axes<X>(chart: &mut Chart<'_, '_, X>, x: &Axis, y: &Axis, x_label: &dyn Fn(f64) -> String) -> Drawn<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_labels(LABELS)
        .y_labels(LABELS)
        .x_desc(x.name)
        .y_desc(y.name)
        .x_label_formatter(&|x| x_label(*x))
        .y_label_formatter(&|y| grouped(*y))
        .label_style((FONT, 14).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .draw()?;
    Ok(())
}

fn draw_line<X>(chart: &mut Chart<'_, '_, X>, strategy: Strategy, line: &[(f64, f64)]) -> Drawn<()>
where
    X: Ranged<ValueType = f64>,
{
    let (line, stroke) = (line.iter().copied(), colour(strategy).stroke_width(STROKE));
    if is_dashed(strategy) {
        chart.draw_series(DashedLineSeries::new(line, 9, 6, stroke))?;
    } else {
        chart.draw_series(LineSeries::new(line, stroke))?;
    }
    Ok(())
}

/// Names each line at its end, on the right. Where ends are close, the names are moved apart, and a short stroke joins
/// each name to its line.
fn names(area: &Area<'_>, ends: &[(Strategy, (i32, i32))]) -> Drawn<()> {
    let origin = area.get_base_pixel();
    let mut ends = ends.to_vec();
    ends.sort_by_key(|(_, (_, y))| *y);
    let mut free = i32::MIN;
    let mut places: Vec<i32> = Vec::new();
    for (_, (_, y)) in &ends {
        free = free.max(*y);
        places.push(free);
        free += NAME_HEIGHT;
    }
    // Names that were pushed off the lower end of the picture are moved up again.
    let mut limit = origin.1 + i32::try_from(area.dim_in_pixel().1)? - 60;
    for place in places.iter_mut().rev() {
        *place = (*place).min(limit);
        limit = *place - NAME_HEIGHT;
    }
    for ((strategy, (x, y)), place) in ends.into_iter().zip(places) {
        let (x, y, place) = (x - origin.0, y - origin.1, place - origin.1);
        area.draw(&PathElement::new([(x + 6, y), (x + 20, place)], colour(strategy).stroke_width(1)))?;
        area.draw(&Text::new(strategy.name(), (x + 24, place - 7), (FONT, 15).into_font().color(&colour(strategy))))?;
    }
    Ok(())
}

/// A power of ten, with its thousands separated.
fn grouped(number: f64) -> String {
    if number < 1.0 {
        // Rounded to thousandths: powers of ten leave small errors behind.
        return format!("{}", (number * 1e3).round() / 1e3);
    }
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}
