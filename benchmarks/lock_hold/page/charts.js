'use strict';
// How a figure looks: numbers for people, tables, and charts in SVG. Nothing here knows what was
// measured. Text reaches the document as text nodes only, so a result can't bring its own markup.

// ---- Numbers -----------------------------------------------------------------------------------

const isNumber = value => typeof value === 'number' && Number.isFinite(value);
const kNone = '–';

/** Three significant digits, but every digit of what is before the point. */
function formatNumber(value) {
    if (!isNumber(value)) return kNone;
    const digits = value === 0 ? 0 : Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
    return value.toLocaleString('en', {maximumFractionDigits: digits});
}

const unitOfTime = us => us < 999.5 ? {name: 'µs', us: 1} : us < 999500 ? {name: 'ms', us: 1000} : {name: 's', us: 1e6};

function formatTime(us) {
    if (!isNumber(us)) return kNone;
    const unit = unitOfTime(us);
    return us === 0 ? '0' : `${formatNumber(us / unit.us)} ${unit.name}`;
}

/** Two times in one unit: 1.2 (3.4) ms. */
function formatTimes(first, second) {
    if (!isNumber(first) || !isNumber(second)) return formatTime(first);
    const unit = unitOfTime(first);
    return `${formatNumber(first / unit.us)} (${formatNumber(second / unit.us)}) ${unit.name}`;
}

function formatBytes(bytes) {
    if (!isNumber(bytes)) return kNone;
    const units = ['bytes', 'KiB', 'MiB', 'GiB'];
    let unit = 0;
    for (; Math.abs(bytes) >= 1024 && unit + 1 < units.length; ++unit) bytes /= 1024;
    return `${formatNumber(bytes)} ${units[unit]}`;
}

/** For ticks: 1,500,000 is 1.5M. */
function formatShort(value) {
    if (value >= 1e6) return `${formatNumber(value / 1e6)}M`;
    if (value >= 1e4) return `${formatNumber(value / 1e3)}k`;
    return formatNumber(value);
}

// ---- Elements ----------------------------------------------------------------------------------

function build(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
    return node;
}
const html = (tag, attributes = {}, ...children) =>
    build(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
    build(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

const missing = sentence => html('p', {class: 'missing'}, sentence);

/** columns: [{name, number}]; the first cell of a row is its heading. A cell is a text or a node. */
function table(columns, rows) {
    const kind = index => columns[index].number ? {class: 'number'} : {};
    return html('div', {class: 'wide', tabindex: '0', role: 'group', 'aria-label': 'table'}, html('table', {},
        html('thead', {}, html('tr', {}, columns.map(({name}, i) =>
            html('th', {scope: 'col', ...kind(i)}, name)))),
        html('tbody', {}, rows.map(row => html('tr', {}, row.map((cell, i) =>
            html(i === 0 ? 'th' : 'td', i === 0 ? {scope: 'row', ...kind(i)} : kind(i), cell)))))));
}

// ---- Panels: a caption, a chart that follows its width, and the figures as a table ----------------

const redraws = new Map();
let charts = 0;

/** draw(width, frame) gives the drawing; frame(height, children) makes it an image with a title. */
function panel({caption, description, draw, figures, legend}) {
    const id = `chart-${++charts}`;
    const place = html('div', {class: 'chart'});
    let drawn = 0;
    redraws.set(place, () => {
        const width = Math.max(280, Math.floor(place.clientWidth));
        if (width === drawn) return;
        drawn = width;
        const frame = (height, children, kind = '') => svg('svg', {
            viewBox: `0 0 ${width} ${Math.ceil(height)}`, role: 'img', class: kind,
            'aria-labelledby': `${id}-title ${id}-description`,
        },
        svg('title', {id: `${id}-title`}, caption), svg('desc', {id: `${id}-description`}, description),
        children);
        place.replaceChildren(draw(width, frame), ...(legend ? [legend(width)].filter(Boolean) : []));
    });
    return html('figure', {class: 'panel'}, html('figcaption', {}, caption), place,
        figures && html('details', {class: 'figures'}, html('summary', {}, 'The figures as a table'), figures));
}

/** Draws every chart, and again whenever its place gets another width. */
function drawCharts() {
    const observer = new ResizeObserver(entries => entries.forEach(({target}) => redraws.get(target)()));
    for (const [place, redraw] of redraws) {
        redraw();
        observer.observe(place);
    }
}

// ---- Scales ------------------------------------------------------------------------------------

/** Round ticks from 0 that reach max. */
function ticksUpTo(max, wanted = 5) {
    if (!(max > 0)) return [0, 1];
    const rough = max / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 2.5, 5, 10].find(factor => factor * power >= rough * 0.999);
    const ticks = [];
    for (let i = 0; ; ++i) {
        ticks.push(i * step);
        if (i * step >= max) return ticks;
    }
}

/** The powers of ten around the positive values. */
function decades(values) {
    const low = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
    const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
    return Array.from({length: high - low + 1}, (_, i) => 10 ** (low + i));
}

function scale(from, to, start, end, isLogarithmic) {
    const map = isLogarithmic ? Math.log : value => value;
    const span = map(to) - map(from) || 1;
    return value => start + (map(value) - map(from)) / span * (end - start);
}

// ---- Markers and legends --------------------------------------------------------------------------

const kMarkers = {
    circle: 'M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z', square: 'M-3.6,-3.6h7.2v7.2h-7.2z',
    up: 'M0,-4.8L4.5,3.4H-4.5z', down: 'M0,4.8L4.5,-3.4H-4.5z', diamond: 'M0,-5L5,0L0,5L-5,0z',
    cross: 'M-4,-4L4,4M-4,4L4,-4', bar: 'M-1.6,-5h3.2v10h-3.2z',
};
const marker = (style, x, y, tooltip) => svg('path',
    {class: 'marker', d: kMarkers[style.marker], transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`},
    tooltip && svg('title', {}, tooltip));
const seriesClass = style => `series family-${style.family}${style.isSecond ? ' second' : ''}`;

function seriesLegend(styles) {
    return html('ul', {class: 'legend'}, styles.map(style => html('li', {},
        svg('svg', {width: 30, height: 14, viewBox: '0 0 30 14', 'aria-hidden': 'true'},
            svg('g', {class: seriesClass(style)},
                svg('path', {class: 'line', d: 'M0,7H30'}), marker(style, 15, 7))),
        style.label)));
}

const swatchLegend = entries => html('ul', {class: 'legend'}, entries.map(({label, shape, ...attributes}) =>
    html('li', {}, svg('svg', {width: 18, height: 12, viewBox: '0 0 18 12', 'aria-hidden': 'true', ...attributes},
        shape), label)));

const textWidth = text => text.length * 6.9;

/** Moves the labels apart that would overlap; they stay within top and bottom. */
function spreadLabels(labels, top, bottom, distance) {
    labels.sort((a, b) => a.y - b.y);
    labels.forEach((label, i) => {
        label.at = Math.max(label.y, i === 0 ? top : labels[i - 1].at + distance);
    });
    for (let i = labels.length - 1, limit = bottom; i >= 0; --i, limit = labels[i + 1].at - distance) {
        labels[i].at = Math.min(labels[i].at, limit);
    }
    return labels;
}

// ---- Charts ------------------------------------------------------------------------------------

/**
 * Series of points. series: [{style, points: [{x, y, low?, high?, tooltip}], line?: x => y}]; a series
 * with a line shows it instead of joining its points. Without yTicks the y axis begins at 0, or is
 * logarithmic.
 */
function pointChart({caption, description, xName, yName, series, xTicks, yTicks: wantedYTicks, xFormat = formatNumber,
                     yFormat = formatNumber, isXLogarithmic = false, isYLogarithmic = false, isJoined = true, figures}) {
    const styles = series.map(({style}) => style);
    const kLabelsFrom = 440;
    const draw = (width, frame) => {
        const hasLabels = width >= kLabelsFrom && isJoined;
        const labelRoom = hasLabels ? Math.max(...styles.map(({label}) => textWidth(label))) + 26 : 12;
        const xs = series.flatMap(({points}) => points.map(({x}) => x));
        const ys = series.flatMap(({points, line}) =>
            [...points.flatMap(({y, low, high}) => [y, low, high].filter(isNumber)), ...(line ? [line(Math.max(...xs))] : [])]);
        const yTicks = wantedYTicks ?? (isYLogarithmic ? decades(ys) : ticksUpTo(Math.max(...ys)));
        const left = Math.max(...yTicks.map(tick => textWidth(yFormat(tick)))) + 12;
        const height = Math.max(hasLabels ? series.length * 15 + 70 : 0, Math.min(340, width * 0.72), 250);
        const right = width - labelRoom, top = 26, bottom = height - 44;
        const x = scale(xTicks[0], xTicks.at(-1), left + 10, right - 10, isXLogarithmic);
        const y = scale(yTicks[0], yTicks.at(-1), bottom, top, isYLogarithmic);

        const grid = yTicks.map(tick => [
            svg('line', {class: 'rule', x1: left, x2: right, y1: y(tick), y2: y(tick)}),
            svg('text', {class: 'tick', x: left - 6, y: y(tick) + 4, 'text-anchor': 'end'}, yFormat(tick))]);
        let free = -Infinity;  // where the next tick's text may begin
        for (const tick of xTicks) {
            const text = xFormat(tick), half = textWidth(text) / 2;
            grid.push([svg('line', {class: 'rule', x1: x(tick), x2: x(tick), y1: bottom, y2: bottom + 5})]);
            if (x(tick) - half < free) continue;
            free = x(tick) + half + 4;
            grid.push([svg('text', {class: 'tick', x: x(tick), y: bottom + 19, 'text-anchor': 'middle'}, text)]);
        }
        grid.push([
            svg('text', {class: 'axis-name', x: (left + right) / 2, y: height - 6, 'text-anchor': 'middle'}, xName),
            svg('text', {class: 'axis-name', x: 0, y: 12}, yName)]);

        const labels = spreadLabels(series.filter(({points}) => points.length > 0).map(one => {
            const last = one.points.at(-1);
            return {one, x: x(last.x), y: y(one.line ? one.line(last.x) : last.y)};
        }), top, bottom, 15);
        // What stands first in the list is drawn last, so that nothing covers it.
        const drawn = labels.sort((a, b) => series.indexOf(b.one) - series.indexOf(a.one)).map(({one, ...end}) => {
            const {style, points, line} = one;
            const path = line ? [xTicks[0], xTicks.at(-1)].map(at => [x(at), y(line(at))])
                              : points.map(point => [x(point.x), y(point.y)]);
            return svg('g', {class: seriesClass(style)},
                isJoined && svg('path', {class: 'line', d: 'M' + path.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join('L')}),
                points.filter(({low, high}) => isNumber(low) && isNumber(high)).map(point =>
                    svg('path', {class: 'whisker', d: `M${x(point.x).toFixed(1)},${y(point.low).toFixed(1)}V${y(point.high).toFixed(1)}`})),
                points.map(point => marker(style, x(point.x), y(point.y), `${style.label}: ${point.tooltip}`)),
                hasLabels && [
                    svg('path', {class: 'leader', d: `M${(end.x + 6).toFixed(1)},${end.y.toFixed(1)}L${right + 6},${end.at.toFixed(1)}`}),
                    marker(style, right + 12, end.at),
                    svg('text', {x: right + 21, y: end.at + 4}, style.label)]);
        });
        return frame(height, [...grid.flat(), ...drawn], 'series-chart');
    };
    return panel({caption, description, figures, draw,
        legend: width => width >= kLabelsFrom && isJoined ? null : seriesLegend(styles)});
}

/**
 * Bars from left to right, groups below one another.
 * groups: [{style, bars: [{value, low, high, text}]}]; keys: what the first, second … bar of each is.
 */
function barChart({caption, description, valueName, groups, keys, figures}) {
    const kBar = 13, kGap = 12;
    const draw = (width, frame) => {
        const left = Math.max(...groups.map(({style}) => textWidth(style.label))) + 18;
        const bars = groups.flatMap(group => group.bars).filter(({value}) => isNumber(value));
        const ticks = ticksUpTo(Math.max(...bars.map(({value, high}) => Math.max(value, high ?? 0))), width < 440 ? 3 : 5);
        const right = width - 14 - Math.max(...bars.map(({text}) => textWidth(text)));
        const x = scale(0, ticks.at(-1), left, right, false);
        const top = 8, bottom = top + groups.length * (keys.length * kBar + kGap);
        const grid = ticks.flatMap(tick => [
            svg('line', {class: 'rule', x1: x(tick), x2: x(tick), y1: top, y2: bottom}),
            svg('text', {class: 'tick', x: x(tick), y: bottom + 16, 'text-anchor': 'middle'}, formatShort(tick))]);
        const drawn = groups.map(({style, bars: ofGroup}, i) => {
            const start = top + kGap / 2 + i * (keys.length * kBar + kGap);
            return svg('g', {class: `family-${style.family}`},
                svg('text', {x: left - 8, y: start + keys.length * kBar / 2 + 4, 'text-anchor': 'end'}, style.label),
                ofGroup.map(({value, low, high, text}, k) => {
                    if (!isNumber(value)) return null;
                    const y = start + k * kBar, middle = y + kBar / 2 - 0.5;
                    const end = x(Math.max(value, high ?? 0));
                    return svg('g', {}, svg('title', {}, `${style.label}, ${keys[k]}: ${text}`),
                        svg('rect', {class: `bar bar-${k}`, x: left, y: y + 0.5, width: Math.max(1, x(value) - left), height: kBar - 2}),
                        isNumber(low) && isNumber(high) && svg('path', {class: 'bar-whisker',
                            d: `M${x(low)},${middle}H${x(high)}M${x(low)},${middle - 3}v6M${x(high)},${middle - 3}v6`}),
                        svg('text', {x: end + 6, y: middle + 4}, text));
                }));
        });
        return frame(bottom + 40, [...grid, ...drawn,
            svg('text', {class: 'axis-name', x: (left + right) / 2, y: bottom + 36, 'text-anchor': 'middle'}, valueName)]);
    };
    return panel({caption, description, figures, draw, legend: () => swatchLegend(keys.map((label, k) =>
        ({label, class: 'family-local', shape: svg('rect', {class: `bar bar-${k}`, x: 1, y: 1, width: 16, height: 10})})))});
}

/** Stacked bars. rows: [{label, parts: [{kind, value}], note}]; kinds: the parts' order and legend. */
function stackedChart({caption, description, rows, kinds, format, figures}) {
    const kRow = 26;
    const draw = (width, frame) => {
        const left = Math.max(...rows.map(({label}) => textWidth(label))) + 10;
        const totals = rows.map(({parts}) => parts.reduce((sum, {value}) => sum + value, 0));
        const notes = rows.map(({note}, i) => `${format(totals[i])}${note ? `, ${note}` : ''}`);
        const ticks = ticksUpTo(Math.max(...totals), width < 440 ? 2 : 4);
        const isNoteBelow = width < 440;
        const right = width - (isNoteBelow ? textWidth(format(ticks.at(-1))) / 2 + 2
                                           : 10 + Math.max(...notes.map(textWidth)));
        const x = scale(0, ticks.at(-1), left, right, false);
        const step = isNoteBelow ? kRow + 16 : kRow;
        const top = 6, bottom = top + rows.length * step + 2;
        const grid = ticks.flatMap(tick => [
            svg('line', {class: 'rule', x1: x(tick), x2: x(tick), y1: top, y2: bottom}),
            svg('text', {class: 'tick', x: x(tick), y: bottom + 16, 'text-anchor': 'middle'}, format(tick))]);
        const drawn = rows.map(({label, parts}, i) => {
            const y = top + i * step + 4;
            let before = 0;
            const segments = parts.map(({kind, value}) => {
                const start = x(before), end = x(before += value), text = format(value);
                return svg('g', {}, svg('title', {}, `${label}, ${kind}: ${text}`),
                    svg('rect', {class: `segment ${kind}`, x: start, y, width: Math.max(0, end - start), height: kRow - 7}),
                    end - start > textWidth(text) + 6 &&
                        svg('text', {class: 'on-segment', x: (start + end) / 2, y: y + 14, 'text-anchor': 'middle'}, text));
            });
            return svg('g', {}, svg('text', {x: left - 8, y: y + 14, 'text-anchor': 'end'}, label), segments,
                isNoteBelow ? svg('text', {class: 'tick', x: left + 2, y: y + 33}, notes[i])
                            : svg('text', {x: x(totals[i]) + 6, y: y + 14}, notes[i]));
        });
        return frame(bottom + 24, [...grid, ...drawn]);
    };
    return panel({caption, description, figures, draw, legend: () => swatchLegend(kinds.map(kind =>
        ({label: kind, shape: svg('rect', {class: kind, x: 1, y: 1, width: 16, height: 10})})))});
}

/**
 * Distributions below one another over one logarithmic axis of time.
 * rows: [{style, label, histogram: [[upper, count], …], p50, p99, max}]
 */
function distributionChart({caption, description, rows, figures}) {
    const kRow = 26;
    const draw = (width, frame) => {
        const left = Math.max(...rows.map(({label}) => textWidth(label))) + 18, right = width - 24;
        const values = rows.flatMap(({histogram, p50, p99, max}) =>
            [p50, p99, max, ...histogram.map(([upper]) => upper)]).filter(value => value > 0);
        const ticks = decades(values);
        const x = scale(ticks[0], ticks.at(-1), left, right, true);
        const top = 6, bottom = top + rows.length * kRow;
        const grid = ticks.flatMap(tick => [
            svg('line', {class: 'rule', x1: x(tick), x2: x(tick), y1: top, y2: bottom + 4}),
            svg('text', {class: 'tick', x: x(tick), y: bottom + 18, 'text-anchor': 'middle'}, formatTime(tick))]);
        const drawn = rows.map(({style, label, histogram, p50, p99, max}, i) => {
            const base = top + (i + 1) * kRow - 4, most = Math.max(...histogram.map(([, count]) => count), 1);
            const bars = histogram.map(([upper, count], k) => {
                const start = x(Math.max(ticks[0], k === 0 ? upper / 1.3 : histogram[k - 1][0])), end = x(upper);
                return svg('rect', {class: 'histogram', x: start, width: Math.max(0.5, end - start),
                    y: base - count / most * (kRow - 6), height: count / most * (kRow - 6)});
            });
            const quantile = (value, height) => value > 0 ? svg('path', {class: 'quantile', d: `M${x(value)},${base}v${-height}`}) : null;
            return svg('g', {class: `family-${style.family}`},
                svg('title', {}, `${label}: p50 ${formatTime(p50)}, p99 ${formatTime(p99)}, max ${formatTime(max)}`),
                svg('text', {x: left - 8, y: base - 6, 'text-anchor': 'end'}, label),
                svg('line', {class: 'rule', x1: left, x2: right, y1: base, y2: base}), bars,
                quantile(p50, kRow - 6), quantile(p99, 12), quantile(max, 5));
        });
        return frame(bottom + 26, [...grid, ...drawn]);
    };
    return panel({caption, description, figures, draw});
}
