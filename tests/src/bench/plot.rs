//! The plots of the report, as SVG.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::combinators::LogCoord;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours of the series: one side's are blue, the other's from red to yellow, each side's from dark to
/// light, and grey is the bare machine, so that they are told apart with any eyes, and in grey.
const COLOURS: [RGBColor; 12] = [
    RGBColor(8, 69, 148),
    RGBColor(66, 146, 198),
    RGBColor(158, 202, 225),
    RGBColor(153, 52, 4),
    RGBColor(236, 112, 20),
    RGBColor(254, 196, 79),
    RGBColor(90, 90, 90),
    // Programs: the bare machine, and either side.
    RGBColor(90, 90, 90),
    RGBColor(8, 69, 148),
    RGBColor(153, 52, 4),
    // From end to end: either side.
    RGBColor(8, 69, 148),
    RGBColor(153, 52, 4),
];

/// Colours of parts, light enough for black text (after Okabe and Ito).
const PARTS: [RGBColor; 10] = [
    RGBColor(114, 176, 214),
    RGBColor(240, 196, 100),
    RGBColor(110, 200, 170),
    RGBColor(226, 148, 96),
    RGBColor(222, 170, 202),
    RGBColor(240, 228, 120),
    RGBColor(190, 190, 190),
    RGBColor(160, 160, 226),
    RGBColor(178, 206, 120),
    RGBColor(206, 140, 140),
];

/// What all plots are as wide as, in pixels.
const WIDTH: u32 = 960;
const FONT: &str = "sans-serif";
const LABELS: u32 = 250;
/// Height of a bar, and of what is around a group of bars.
const BAR: u32 = 13;
const AROUND: u32 = 9;

/// The colour of a series.
pub(super) fn colour(series: usize) -> RGBColor {
    COLOURS[series % COLOURS.len()]
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a plot cannot be drawn: {error}")
}

/// Draws into a string.
fn drawn(
    height: u32,
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// A name and a value for each series, where there is one.
pub(super) type Row = (String, Vec<Option<f64>>);

/// Horizontal bars on a log scale, a group of them for each row.
pub(super) fn bars(rows: &[Row]) -> Result<String> {
    let counts: Vec<u32> = rows
        .iter()
        .map(|(_, values)| values.iter().flatten().count() as u32)
        .collect();
    let inner: u32 = counts.iter().map(|count| count * BAR + AROUND).sum();
    let values = rows.iter().flat_map(|(_, values)| values.iter().flatten());
    let most = values.fold(10.0_f64, |most, &value| most.max(value));
    drawn(inner + 60, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_right(60)
            .margin_top(4)
            .x_label_area_size(46)
            .y_label_area_size(LABELS)
            .build_cartesian_2d((1.0..most * 1.3).log_scale(), 0.0..f64::from(inner))
            .map_err(failed)?;
        axis(&mut chart, "instructions, log scale")?;
        let mut top = f64::from(inner);
        for (row, count) in rows.iter().zip(counts) {
            let height = f64::from(count * BAR);
            top -= f64::from(AROUND);
            group(area, &mut chart, row, top)?;
            top -= height;
        }
        Ok(())
    })
}

/// A chart of horizontal bars, by the kind of its horizontal axis.
type Bars<'a, 'b, X> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, RangedCoordf64>>;

/// Draws the axis below bars, which have no other.
fn axis<X>(chart: &mut Bars<'_, '_, X>, what: &str) -> Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(RGBColor(235, 235, 235))
        .x_desc(what)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_labels(0)
        .label_style((FONT, 12))
        .draw()
        .map_err(failed)
}

/// The bars of one row, from `top` down, each with its value; the row's name beside them.
fn group(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    chart: &mut Bars<'_, '_, LogCoord<f64>>,
    (name, values): &Row,
    top: f64,
) -> Result<()> {
    let mut at = top;
    for (series, value) in values.iter().enumerate() {
        let Some(value) = *value else { continue };
        let end = (value.max(1.0), at - f64::from(BAR) + 2.0);
        let bar = Rectangle::new([(1.0, at), end], colour(series).filled());
        chart.draw_series([bar]).map_err(failed)?;
        let (x, y) = chart.backend_coord(&(value.max(1.0), at - 1.0));
        let style = (FONT, 11).into_font().color(&BLACK);
        let text = if value < 100.0 && value.fract() != 0.0 {
            format!("{value:.1}")
        } else {
            format!("{value:.0}")
        };
        area.draw_text(&text, &style, (x + 4, y - 1))
            .map_err(failed)?;
        at -= f64::from(BAR);
    }
    let (_, first) = chart.backend_coord(&(1.0, top));
    let (_, last) = chart.backend_coord(&(1.0, at));
    let style = beside();
    let at = (LABELS as i32 - 8, i32::midpoint(first, last));
    area.draw_text(name, &style, at).map_err(failed)
}

/// A name, and a cost for each size of a batch.
pub(super) type Curve = (String, Vec<(u32, f64)>);

/// Cost over the size of the batch, both on log scales.
pub(super) fn scaling(curves: &[Curve]) -> Result<String> {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let most = points().fold(1.0_f64, |most, &(_, cost)| most.max(cost));
    let least = points().fold(most, |least, &(_, cost)| least.min(cost));
    let sizes = points().fold(1, |most, &(size, _)| most.max(size));
    drawn(420, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(220)
            .x_label_area_size(46)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (1.0..f64::from(sizes)).log_scale(),
                (least * 0.7..most * 1.3).log_scale(),
            )
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(RGBColor(235, 235, 235))
            .x_desc("entries in one mmu_update, log scale")
            .y_desc("instructions per entry, log scale")
            .x_label_formatter(&|value| format!("{value:.0}"))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .label_style((FONT, 12))
            .draw()
            .map_err(failed)?;
        for (series, (name, points)) in curves.iter().enumerate() {
            let mut points = points.iter().map(|&(size, cost)| (f64::from(size), cost));
            let style = colour(series).stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.clone(), style).point_size(3))
                .map_err(failed)?;
            if let Some(last) = points.next_back() {
                let (x, y) = chart.backend_coord(&last);
                let style = (FONT, 12).into_font().color(&colour(series));
                area.draw_text(name, &style, (x + 8, y - 6))
                    .map_err(failed)?;
            }
        }
        Ok(())
    })
}

/// Bars of the same length, each made of parts with their names where there is room, and its sum
/// behind it.
pub(super) fn stacked(rows: &[(String, Vec<(String, f64)>)]) -> Result<String> {
    const EACH: u32 = 34;
    let inner = rows.len() as u32 * EACH;
    drawn(inner + 60, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_right(60)
            .margin_top(4)
            .x_label_area_size(46)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(0.0..100.0, 0.0..f64::from(inner))
            .map_err(failed)?;
        axis(
            &mut chart,
            "percent of the operation's instructions; behind each bar their number",
        )?;
        let names = common_names(rows);
        for (number, row) in rows.iter().enumerate() {
            let top = f64::from(inner - number as u32 * EACH) - 6.0;
            let heights = (top, top - f64::from(EACH) + 10.0);
            parts(area, &mut chart, row, (heights, &names))?;
        }
        Ok(())
    })
}

/// The names of all parts, if they are so few that each can have a colour of its own.
fn common_names(rows: &[(String, Vec<(String, f64)>)]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|(_, parts)| parts) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.len() > PARTS.len() {
        names.clear();
    }
    names
}

/// As much of a name as there is room for, in letters; none where that would say nothing.
fn shortened(name: &str, room: usize) -> String {
    match name.chars().count() {
        count if count <= room => name.into(),
        _ if room < 4 => String::new(),
        _ => name.chars().take(room - 1).chain(['…']).collect(),
    }
}

/// One bar of parts, between two heights; a part that is among `names` has the same colour in every bar.
fn parts(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    chart: &mut Bars<'_, '_, RangedCoordf64>,
    (name, parts): &(String, Vec<(String, f64)>),
    ((top, bottom), names): ((f64, f64), &[&str]),
) -> Result<()> {
    /// Pixels that a letter takes, about.
    const LETTER: i32 = 6;
    let small = (FONT, 11).into_font().color(&BLACK);
    let sum: f64 = parts.iter().map(|(_, count)| count).sum();
    let middle = f64::midpoint(top, bottom);
    let mut from = 0.0;
    for (number, (part, count)) in parts.iter().enumerate() {
        let to = from + count / sum * 100.0;
        let place = names.iter().position(|name| name == part);
        let colour = PARTS[place.unwrap_or(number) % PARTS.len()];
        let bar = Rectangle::new([(from, top), (to, bottom)], colour.filled());
        chart.draw_series([bar]).map_err(failed)?;
        let (left, y) = chart.backend_coord(&(from, middle));
        let (right, _) = chart.backend_coord(&(to, middle));
        let room = usize::try_from((right - left - LETTER) / LETTER).unwrap_or(0);
        let at = (left + 3, y - LETTER);
        area.draw_text(&shortened(part, room), &small, at)
            .map_err(failed)?;
        from = to;
    }
    let (right, y) = chart.backend_coord(&(100.0, middle));
    let at = (right + 6, y - LETTER);
    area.draw_text(&format!("{sum:.0}"), &small, at)
        .map_err(failed)?;
    let style = beside();
    let at = (LABELS as i32 - 8, y);
    area.draw_text(name, &style, at).map_err(failed)
}

/// How names beside bars are written: up to the axis.
fn beside() -> TextStyle<'static> {
    let end = Pos::new(HPos::Right, VPos::Center);
    (FONT, 12).into_font().color(&BLACK).pos(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plot_names_what_it_shows() {
        let rows = [
            ("null hypercall".to_owned(), vec![Some(57.0), Some(268.0)]),
            ("yield".to_owned(), vec![None, Some(2006.0)]),
        ];
        let svg = bars(&rows).unwrap();
        for text in ["null hypercall", "yield", "268", "2006", "log scale"] {
            assert!(svg.contains(text), "{text}");
        }
        let curve = ("another frame".to_owned(), vec![(1, 282.0), (128, 100.0)]);
        assert!(scaling(&[curve]).unwrap().contains("another frame"));
        let parts = vec![("entry".to_owned(), 200.0), ("check".to_owned(), 82.0)];
        assert!(
            stacked(&[("mmu_update".to_owned(), parts)])
                .unwrap()
                .contains("entry")
        );
    }

    /// Who has a part in several bars is found by colour, also where there is no room for a name.
    #[test]
    fn a_part_has_one_colour_in_all_bars() {
        let part = |name: &str, count| (name.to_owned(), count);
        let rows = [
            (
                "ping".to_owned(),
                vec![part("kernel", 900.0), part("hypervisor", 9.0)],
            ),
            (
                "read".to_owned(),
                vec![part("hypervisor", 700.0), part("kernel", 300.0)],
            ),
        ];
        assert_eq!(common_names(&rows), ["kernel", "hypervisor"]);
        let svg = stacked(&rows).unwrap();
        for colour in [PARTS[0], PARTS[1]] {
            let RGBColor(r, g, b) = colour;
            let fill = format!("#{r:02X}{g:02X}{b:02X}");
            assert_eq!(svg.matches(&fill).count(), 2, "{fill}");
        }
        assert_eq!(svg.matches("hypervisor").count(), 1);
        let many = (0..=PARTS.len()).map(|n| part(&n.to_string(), 1.0));
        assert!(common_names(&[("all".to_owned(), many.collect())]).is_empty());
        let shown = [10, 5, 3].map(|room| shortened("hypervisor", room));
        assert_eq!(shown, ["hypervisor", "hype…", ""]);
    }
}
