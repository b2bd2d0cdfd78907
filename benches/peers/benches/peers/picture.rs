//! The pictures: the cost of a hot hit, and how slow reads get when the value expires.
//!
//! The pictures must be readable without the text beside them, on a dark page, and by the colour-blind. So they have a
//! white ground of their own, the colours of Okabe and Ito, and a name at the end of each bar and line.

use crate::load::{Load, Seen};
use crate::table::time;
use crate::{CREATION, SHORT, THREADS};
use plotters::prelude::*;
use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

const WIDTH: u32 = 1000;
const HEAD: u32 = 70;
const NAMES: u32 = 200;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(225, 228, 232);
const OURS: RGBColor = RGBColor(0, 114, 178);
/// One colour for each number of threads.
const SHADES: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(86, 180, 233), RGBColor(0, 158, 115)];

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn save(name: &str, title: &str, facts: &str, height: u32, body: impl FnOnce(&Area<'_>) -> Drawn) {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut svg = String::new();
    let draw = || -> Drawn {
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            root.fill(&WHITE)?;
            let (head, below) = root.split_vertically(HEAD);
            head.draw(&Text::new(title, (20, 14), (FONT, 22).into_font().color(&INK)))?;
            head.draw(&Text::new(facts, (20, 44), (FONT, 15).into_font().color(&INK)))?;
            body(&below)?;
            root.present()?;
        }
        Ok(fs::write(&to, svg)?)
    };
    match draw() {
        Ok(()) => println!("\npicture: {}", to.display()),
        Err(error) => println!("\nno picture {}: {error}", to.display()),
    }
}

/// Draws the time of a read as a bar for each number of threads, on a scale of powers of ten.
pub fn hot_hit(bars: &[(&str, [f64; THREADS.len()])]) {
    const ROW: i32 = 54;
    const BAR: i32 = 14;
    let highest = bars.iter().flat_map(|(_, times)| times).copied().fold(1.0, f64::max);
    let rows = i32::try_from(bars.len()).expect("there are few");
    let height = HEAD + u32::try_from(ROW * rows + 10).expect("it is positive");
    let facts =
        format!("time of one read, with 1, 2 and 4 threads on {} cores, by powers of ten; shorter is better", cores());
    save("peers-hot-hit.svg", "What does it cost to read one hot value that expires?", &facts, height, |area| {
        #[allow(clippy::cast_possible_truncation)] // pixels
        let length = |time: f64| (time.max(1.0).ln() / highest.ln() * f64::from(WIDTH - NAMES - 130)) as i32;
        let left = i32::try_from(NAMES)?;
        for ((name, times), row) in bars.iter().zip(0..) {
            let top = row * ROW;
            let weight = if row == 0 { OURS } else { INK };
            area.draw(&Text::new(*name, (20, top + 14), (FONT, 16).into_font().color(&weight)))?;
            for ((took, threads), bar) in times.iter().zip(THREADS).zip(0..) {
                let y = top + bar * (BAR + 1);
                let shade = SHADES[usize::try_from(bar)?].filled();
                area.draw(&Rectangle::new([(left, y), (left + length(*took).max(2), y + BAR)], shade))?;
                let label = format!("{} ({threads} {})", time(*took), if threads == 1 { "thread" } else { "threads" });
                let style = (FONT, 12).into_font().color(&INK);
                area.draw(&Text::new(label, (left + length(*took).max(2) + 6, y + 1), style))?;
            }
        }
        Ok(())
    });
}

/// Draws how slow the slowest of ten, of a hundred… reads are, with expiry. Both axes go by powers of ten.
pub fn expiry(load: &Load, seen: &[(&str, [Seen; 2])]) {
    /// The right end of the axis: one read in this many.
    const RAREST: f64 = 1e5;
    const STEPS: i32 = 200;
    const COLOURS: [RGBColor; 10] = [
        OURS,
        RGBColor(0, 158, 115),
        RGBColor(213, 94, 0),
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(86, 180, 233),
        RGBColor(0, 0, 0),
        RGBColor(140, 90, 40),
        RGBColor(120, 120, 120),
        RGBColor(150, 155, 160),
    ];
    let line = |seen: &Seen| -> Vec<(f64, f64)> {
        let at = |step: i32| {
            let one_in = RAREST.powf(f64::from(step) / f64::from(STEPS));
            #[allow(clippy::cast_precision_loss)] // far below 2^53
            let took = seen.latency.value_at_quantile(1.0 - 1.0 / one_in) as f64;
            (one_in, took)
        };
        (20..=STEPS).map(at).collect()
    };
    let mut lines: Vec<_> = seen.iter().map(|(name, [with, _])| (*name, line(with))).collect();
    lines.push(("Cached, nothing expires", line(&seen[0].1[1])));
    let all = || lines.iter().flat_map(|(_, line)| line).map(|at| at.1);
    let (lowest, highest) = (all().fold(1e9, f64::min), all().fold(1.0, f64::max));
    let facts = format!(
        "a value lives for {} ms and takes {} ms to create; {} threads read it, each every {} ms, on {} cores",
        SHORT.as_millis(),
        CREATION.as_millis(),
        load.readers,
        load.pace.unwrap_or_default().as_millis(),
        cores(),
    );
    save("peers-expiry.svg", "How slow are reads when the value expires?", &facts, 560, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(NAMES)
            .x_label_area_size(46)
            .y_label_area_size(76)
            .build_cartesian_2d((lines[0].1[0].0..RAREST).log_scale(), (lowest * 0.6..highest * 1.6).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_labels(6)
            .y_labels(8)
            .x_desc("one read in so many is slower than that")
            .x_label_formatter(&|one_in| format!("{one_in:.0}"))
            .y_label_formatter(&|took| time(*took))
            .label_style((FONT, 14).into_font().color(&INK))
            .axis_desc_style((FONT, 15).into_font().color(&INK))
            .draw()?;
        let mut ends = Vec::new();
        for ((name, line), number) in lines.iter().zip(0..) {
            let colour = COLOURS[number];
            chart.draw_series(LineSeries::new(
                line.iter().copied(),
                colour.stroke_width(if number < 2 { 4 } else { 2 }),
            ))?;
            ends.extend(line.last().map(|end| (*name, colour, chart.backend_coord(end))));
        }
        names(area, ends)
    });
}

/// Names each line at its end. Where ends are close, the names are moved apart.
fn names(area: &Area<'_>, mut ends: Vec<(&str, RGBColor, (i32, i32))>) -> Drawn {
    const HEIGHT: i32 = 18;
    ends.sort_by_key(|(.., (_, y))| *y);
    let origin = area.get_base_pixel();
    let mut free = i32::MIN;
    for (name, colour, (x, y)) in ends {
        let (x, y) = (x - origin.0, y - origin.1);
        let place = free.max(y);
        free = place + HEIGHT;
        area.draw(&PathElement::new([(x + 6, y), (x + 20, place)], colour.stroke_width(1)))?;
        area.draw(&Text::new(name, (x + 24, place - 7), (FONT, 15).into_font().color(&colour)))?;
    }
    Ok(())
}
