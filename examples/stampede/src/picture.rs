//! The picture: the latency of reads over time, with one panel for each strategy, all on the same scales.

use crate::load::Seen;
use crate::measure::{BINS, Bin};
use crate::options::{Creator, Options};
use crate::report;
use plotters::coord::Shift;
use plotters::coord::combinators::LogCoord;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;

type Drawn<T> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, LogCoord<f64>>>;

const WIDTH: u32 = 1200;
const HEAD: u32 = 96;
const PANEL: u32 = 250;
const TITLE: u32 = 36;
const MARGIN: i32 = 24;
/// The number of labels that fit on the latency axis.
const DECADES: usize = 10;
const FONT: &str = "sans-serif";

const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(225, 228, 232);
const CREATING: RGBColor = RGBColor(214, 93, 14);
const OTHER: RGBColor = RGBColor(69, 133, 190);
const MEDIAN: RGBColor = RGBColor(20, 40, 90);
const EXPIRED: RGBColor = RGBColor(180, 20, 40);
const SHADE: f64 = 0.16;
const FILL: f64 = 0.3;
/// The median is drawn over the creator's read. Where the two are one, the creator's read shows on both sides of it.
const BOLD: u32 = 6;
const FINE: u32 = 2;

/// Draws one panel for each strategy into the file `to`. Makes its directory if need be.
pub fn draw(to: &Path, options: &Options, all: &[Seen]) -> Drawn<()> {
    let mut svg = String::new();
    {
        let panels = u32::try_from(all.len())?;
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEAD + panels * PANEL)).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        heading(&head, options)?;
        let latencies = scale(all);
        for (area, seen) in body.split_evenly((all.len(), 1)).iter().zip(all) {
            panel(area, options.seconds.as_secs_f64(), &latencies, seen)?;
        }
        root.present()?;
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(to, svg)?;
    Ok(())
}

/// Draws the title, the facts about the run, and the legend.
fn heading(area: &Area<'_>, options: &Options) -> Drawn<()> {
    let text = |size: i32| (FONT, size).into_font().color(&INK);
    area.draw(&Text::new("A value expires under many readers: how long does a read take?", (MARGIN, 14), text(22)))?;
    let creator = match options.creator {
        Creator::Parse => format!("indexing a log file of {} MB", options.megabytes),
        Creator::Wait(wait) => format!("waiting {}", whole(wait.as_secs_f64() * 1e9)),
    };
    let run = format!(
        "{}, each pausing {} between reads; a value lives for {}; making one means {creator}. \
         A read counts all the time it is under way.",
        report::count(options.threads.into(), "reader"),
        whole(options.rest().as_secs_f64() * 1e9),
        whole(options.expires_after().as_secs_f64() * 1e9),
    );
    area.draw(&Text::new(run, (MARGIN, 42), text(15)))?;

    let y = 78;
    let entry = |x: i32, label: &'static str| Text::new(label, (x + 38, y - 8), text(15));
    let sample = |x: i32| [(x, y - 7), (x + 28, y + 7)];
    let stroke = |x: i32, y: i32, style: ShapeStyle| PathElement::new([(x, y), (x + 28, y)], style);

    let x = MARGIN;
    area.draw(&Rectangle::new(sample(x), CREATING.mix(SHADE).filled()))?;
    area.draw(&entry(x, "a creator is running"))?;
    let x = x + 215;
    area.draw(&stroke(x, y, CREATING.stroke_width(BOLD)))?;
    area.draw(&entry(x, "read that runs the creator"))?;
    let x = x + 260;
    area.draw(&Rectangle::new(sample(x), OTHER.mix(FILL).filled()))?;
    area.draw(&stroke(x, y - 7, OTHER.stroke_width(1)))?;
    area.draw(&entry(x, "slowest of the other reads"))?;
    let x = x + 260;
    area.draw(&stroke(x, y, MEDIAN.stroke_width(FINE)))?;
    area.draw(&entry(x, "median of all reads"))?;
    let x = x + 200;
    area.draw(&stroke(x, y, EXPIRED.stroke_width(BOLD)))?;
    area.draw(&entry(x, "expired values are read"))?;
    Ok(())
}

fn panel(area: &Area<'_>, seconds: f64, latencies: &Range<f64>, seen: &Seen) -> Drawn<()> {
    let (title, body) = area.split_vertically(TITLE);
    title.draw(&Text::new(seen.name, (MARGIN, 13), (FONT, 18).into_font().style(FontStyle::Bold).color(&INK)))?;
    let facts = format!(
        "{}, {} at once at most; {} reads/s, {} of an expired value; slowest other read, once there is a value: {}",
        report::count(seen.creations.len() as u64, "creation"),
        seen.most_at_once,
        report::reads_per_second(seen),
        seen.record.expired,
        report::slowest_other(seen),
    );
    title.draw(&Text::new(facts, (MARGIN + 215, 15), (FONT, 15).into_font().color(&INK)))?;

    let mut chart = ChartBuilder::on(&body)
        .margin_top(8)
        .margin_left(8)
        .margin_right(MARGIN)
        .x_label_area_size(42)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..seconds, latencies.clone().log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .y_labels(DECADES)
        .x_desc("time since the start, in seconds")
        .y_desc("read latency")
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .y_label_formatter(&|latency| whole(*latency))
        .draw()?;

    let bins = &seen.record.bins;
    shade(&mut chart, seconds, latencies, &seen.creations)?;
    let slowest = |bin: &Bin| (bin.other > 0).then_some(bin.other);
    for run in runs(seconds, bins, slowest) {
        chart.draw_series(AreaSeries::new(run, latencies.start, OTHER.mix(FILL)).border_style(OTHER))?;
    }
    for run in runs(seconds, bins, |bin| (bin.creating > 0).then_some(bin.creating)) {
        chart.draw_series(LineSeries::new(run, CREATING.stroke_width(BOLD)))?;
    }
    // The bins in which expired values were read are marked by a line along the time axis.
    for run in runs(seconds, bins, |bin| (bin.expired > 0).then_some(1)) {
        let along = run.into_iter().map(|(at, _)| (at, latencies.start));
        chart.draw_series(LineSeries::new(along, EXPIRED.stroke_width(BOLD)))?;
    }
    for run in runs(seconds, bins, |bin| (!bin.all.is_empty()).then(|| bin.all.value_at_quantile(0.5))) {
        chart.draw_series(LineSeries::new(run, MEDIAN.stroke_width(FINE)))?;
    }
    Ok(())
}

/// Draws the stretches of time in which a creator ran.
#[allow(clippy::cast_precision_loss)] // a pixel is coarser
fn shade(chart: &mut Chart<'_, '_>, seconds: f64, latencies: &Range<f64>, creations: &[(u64, u64)]) -> Drawn<()> {
    let mut sorted = creations.to_vec();
    sorted.sort_unstable();
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for (began, ended) in sorted {
        match stretches.last_mut() {
            Some(last) if began <= last.1 => last.1 = last.1.max(ended),
            _ => stretches.push((began, ended)),
        }
    }
    for (began, ended) in stretches {
        let [from, to] = [began, ended].map(|time| (time as f64 / 1e9).min(seconds));
        let corners = [(from, latencies.start), (to, latencies.end)];
        chart.draw_series([Rectangle::new(corners, CREATING.mix(SHADE).filled())])?;
    }
    Ok(())
}

/// The stairs of `height` over the bins. A bin without a height ends one flight, and the next bin begins another.
#[allow(clippy::cast_precision_loss)] // a pixel is coarser
fn runs(seconds: f64, bins: &[Bin], height: impl Fn(&Bin) -> Option<u64>) -> Vec<Vec<(f64, f64)>> {
    let edge = |bin: usize| seconds * bin as f64 / BINS as f64;
    let mut runs = vec![Vec::new()];
    for (number, bin) in bins.iter().enumerate() {
        match (height(bin), runs.last_mut()) {
            (Some(height), Some(run)) => run.extend([edge(number), edge(number + 1)].map(|at| (at, height as f64))),
            (Some(_), None) => {}
            (None, _) => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// The range of the latency axis: from the power of ten below the lowest median to the one above the slowest read.
#[allow(clippy::cast_precision_loss)] // powers of ten are meant
fn scale(all: &[Seen]) -> Range<f64> {
    let bins = || all.iter().flat_map(|seen| &seen.record.bins).filter(|bin| !bin.all.is_empty());
    let lowest = bins().map(|bin| bin.all.value_at_quantile(0.5)).min().unwrap_or(1).max(1);
    let highest = bins().map(|bin| bin.creating.max(bin.other)).max().unwrap_or(lowest);
    10_f64.powf((lowest as f64).log10().floor())..10_f64.powf((highest as f64).log10().floor() + 1.0)
}

/// A time on an axis or in a heading, with as few digits as it has.
fn whole(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    let (size, unit) = units.into_iter().find(|(size, _)| nanoseconds >= size * 0.999).unwrap_or((1.0, "ns"));
    // Rounded to thousandths: powers of ten leave small errors behind.
    format!("{} {unit}", (nanoseconds / size * 1e3).round() / 1e3)
}
