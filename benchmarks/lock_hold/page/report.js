'use strict';
// What the page says, in its order: one function a section. Every section copes with a result that
// lacks its data, and then says so in one sentence.

const result = JSON.parse(document.getElementById('result').textContent);

// ---- Contenders --------------------------------------------------------------------------------

const kContenders = {
    ours: {label: 'xa_tm', family: 'ours', about: 'This transaction manager, statement by statement, as embedding.md recommends.'},
    ours_last: {label: 'xa_tm, last', family: 'ours', isSecond: true, about: 'The same; the last statement shares its trip with END and PREPARE.'},
    ours_early: {label: 'xa_tm, early', family: 'ours', isSecond: true, about: 'xa_tm; commit() returns when the decision is durable, and the branches are committed behind it. Two connections a thread.'},
    ours_last_resource: {label: 'xa_tm, last resource', family: 'ours', isSecond: true, about: 'xa_tm; the last branch is never prepared: its local commit holds the decision as a row, and the log is not forced.'},
    ours_async: {label: 'xa_tm, async', family: 'ours', isSecond: true, about: 'xa_tm; many transactions open at once on a few threads of an event loop, committed by async_commit().'},
    ours_one_shot: {label: 'xa_tm, one-shot', family: 'ours', isSecond: true, about: 'xa_tm; all statements given to run(): the first branch in one trip with its PREPARE, then the others at once.'},
    ours_keys: {label: 'xa_tm, conflict keys', family: 'ours', isSecond: true, about: 'xa_tm; run() with a conflict key for each row: all branches in one trip, ordered by the manager.'},
    ours_combined: {label: 'xa_tm, combined', family: 'ours', isSecond: true, about: 'xa_tm; run() with conflict keys and combine: those that wait for a row are carried by the one in front and committed together.'},
    scatter: {label: 'scatter/gather', family: 'hand', about: 'The verbs by hand, sent to all branches before the first answer is read, and one raw log force between.'},
    by_hand: {label: 'by hand', family: 'hand', isSecond: true, about: 'The verbs by hand, one branch after another, no log: the floor.'},
    narayana_best: {label: 'Narayana best', family: 'narayana', isPeer: true, about: 'Narayana at its best documented settings.'},
    narayana_default: {label: 'Narayana default', family: 'narayana', isSecond: true, isPeer: true, about: 'Narayana at its defaults.'},
    atomikos_best: {label: 'Atomikos best', family: 'atomikos', isPeer: true, about: 'Atomikos at its best documented settings.'},
    atomikos_default: {label: 'Atomikos default', family: 'atomikos', isSecond: true, isPeer: true, about: 'Atomikos at its defaults.'},
    bitronix_best: {label: 'Bitronix best', family: 'bitronix', isPeer: true, about: 'Bitronix at its best documented settings.'},
    bitronix_default: {label: 'Bitronix default', family: 'bitronix', isSecond: true, isPeer: true, about: 'Bitronix at its defaults.'},
    local: {label: 'local', family: 'local', about: 'Local commits one after another, no atomicity: the ceiling.'},
    local_scatter: {label: 'local scattered', family: 'local', isSecond: true, about: 'Local commits sent to all branches at once, no atomicity.'},
};
const kFamilyMarkers = {ours: 'circle', hand: 'square', narayana: 'up', atomikos: 'down', bitronix: 'diamond', local: 'bar', other: 'cross'};
const kOrder = Object.keys(kContenders);

function styleOf(name) {
    const known = Object.hasOwn(kContenders, name) ? kContenders[name] : {label: String(name).replaceAll('_', ' '), family: 'other'};
    return {...known, marker: kFamilyMarkers[known.family]};
}
const rank = name => kOrder.includes(name) ? kOrder.indexOf(name) : kOrder.length;

// ---- The result's parts ---------------------------------------------------------------------------

const list = value => Array.isArray(value) ? value : [];
const object = value => value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
const contendersOf = cell => list(cell.contenders).toSorted((a, b) => rank(a.name) - rank(b.name));
const namesIn = cells => [...new Set(cells.flatMap(cell => list(cell.contenders).map(({name}) => name)))]
    .sort((a, b) => rank(a) - rank(b));
const contenderIn = (cell, name) => list(cell?.contenders).find(one => one.name === name);
const ascending = values => [...new Set(values)].sort((a, b) => a - b);

/** The kinds of server of a cell, each once: a mix of four branches is the same mix as one of two. */
const mixOf = cell => [...new Set(list(cell.servers))].join(' + ') || 'unnamed servers';
const kServerNames = new Map([['postgres', 'PostgreSQL'], ['mariadb', 'MariaDB'], ['mysql', 'MySQL']]);
const mixName = mix => mix.split(' + ').map(name => kServerNames.get(name) ?? name).join(' + ');

/** Groups of cells that agree in key(cell), the mixed ones first, then in the order of the result. */
function groupsBy(cells, key) {
    const groups = new Map();
    for (const cell of cells) groups.set(key(cell), [...(groups.get(key(cell)) ?? []), cell]);
    const kinds = group => mixOf(group[0]).split(' + ').length;
    return [...groups.values()].sort((a, b) => kinds(b) - kinds(a));
}

const nameOfRtt = rtt => rtt === 0 ? 'loopback' : `${formatNumber(rtt)} ms`;
const nameOfRows = cell => `${cell.rows === 'cold' ? 'cold rows' : cell.rows === 'hot' ? 'hot row' : cell.rows}` +
    (cell.read_only_share > 0 ? `, ${formatNumber(cell.read_only_share * 100)} % read-only` : '');
const count = (number, noun, plural = `${noun}s`) => `${formatNumber(number)} ${number === 1 ? noun : plural}`;
const branchesOf = number => count(number, 'branch', 'branches');

/** A page shows the pictures of loopback and 1 ms, or of whatever there is when both are missing. */
function withShownRtts(cells) {
    const shown = cells.filter(({rtt_ms}) => rtt_ms === 0 || rtt_ms === 1);
    return shown.length > 0 ? shown : cells;
}

/** Of the branches of a transaction, the one whose row is held longest. */
function longestHold(contender) {
    return list(contender?.branches).map(({hold_us}) => object(hold_us)).filter(({p50}) => isNumber(p50))
        .reduce((longest, hold) => longest && longest.p50 >= hold.p50 ? longest : hold, null);
}

/** The panels of the first mix of servers; those of the others wait behind a summary. entries: [{mix, panel}] */
function panels(entries) {
    const grid = some => html('div', {class: 'panels'}, some.map(entry => entry.panel));
    const first = entries.filter(({mix}) => mix === entries[0].mix), others = entries.filter(({mix}) => mix !== entries[0].mix);
    const names = [...new Set(others.map(({mix}) => mixName(mix)))];
    return [grid(first), others.length > 0 &&
        html('details', {class: 'more'}, html('summary', {}, `The same for ${names.join(', for ')}`), grid(others))];
}

/** A table of contenders by values: cell(name, value) is a text. */
const contenderTable = (names, values, valueName, cell) => table(
    [{name: 'contender'}, ...values.map(value => ({name: valueName(value), number: true}))],
    names.map(name => [styleOf(name).label, ...values.map(value => cell(name, value))]));

// ---- The sentence ---------------------------------------------------------------------------------

const median = contender => contender?.throughput?.median;

function comparison(cell) {
    const ours = median(contenderIn(cell, 'ours'));
    if (!isNumber(ours)) return null;
    const peers = list(cell.contenders).filter(one => styleOf(one.name).isPeer && median(one) > 0)
        .sort((a, b) => median(b) - median(a));
    const best = peers[0] && `${formatNumber(ours / median(peers[0]))} × ${styleOf(peers[0].name).label}, the fastest Java manager there`;
    return `${formatNumber(ours)} transactions a second ${cell.rtt_ms === 0 ? 'on loopback' : `at ${nameOfRtt(cell.rtt_ms)}`}` +
        (best ? ` (${best})` : '');
}

function sentence() {
    const hot = list(result.cells).filter(cell => cell.branches === 2 && cell.rows === 'hot' && !(cell.read_only_share > 0));
    const group = groupsBy(hot.filter(({threads}) => threads === 8), mixOf)[0] ?? groupsBy(hot, mixOf)[0] ?? [];
    const threads = Math.max(...group.map(cell => cell.threads));
    const parts = withShownRtts(group.filter(cell => cell.threads === threads))
        .sort((a, b) => a.rtt_ms - b.rtt_ms).map(comparison).filter(Boolean);
    const criteria = list(result.criteria), met = criteria.filter(one => one.met === true).length;
    const judged = criteria.length === 0 ? '' : `${met} of ${criteria.length} criteria are met.`;
    if (parts.length === 0) return judged || 'This result holds no throughput on hot rows and no criteria.';
    return `With ${count(threads, 'thread')} on one hot row in each of two databases (${mixName(mixOf(group[0]))}), ` +
        `xa_tm commits ${parts.join(' and ')}. ${judged}`;
}

// ---- Sections -----------------------------------------------------------------------------------

const plain = value => value === null || value === undefined ? kNone
    : isNumber(value) ? formatNumber(value)
    : typeof value === 'object' ? Object.entries(value).map(([key, part]) => `${key} ${plain(part)}`).join(', ')
    : String(value);

function setUp() {
    const {sync_us: sync, ...machine} = object(result.machine);
    const rows = [
        ...(result.started ? [['started', String(result.started)]] : []),
        ...Object.entries(machine).map(([key, value]) => [key.replaceAll('_', ' '), plain(value)]),
        ...(sync ? [['sync (fdatasync)', `p50 ${formatTime(sync.p50)}, p99 ${formatTime(sync.p99)}`]] : []),
        ...Object.entries(object(result.versions)).map(([key, value]) => [mixName(key), plain(value)]),
    ];
    const settings = object(result.settings);
    const names = [...new Set([...namesIn([...list(result.cells), ...list(result.hold), ...list(result.counted), ...list(result.many_open), ...list(result.tm_alone)]),
        ...Object.keys(settings)])].sort((a, b) => rank(a) - rank(b));
    return [
        rows.length ? table([{name: 'machine and versions'}, {name: ''}], rows) : missing('This result says nothing about its machine.'),
        names.length ? table([{name: 'contender'}, {name: 'what it is; its versions and settings'}],
            names.map(name => [styleOf(name).label, html('div', {}, styleOf(name).about ?? '',
                html('div', {class: 'soft'}, plain(settings[name])))]))
                     : missing('This result names no contender.'),
    ];
}

function criteria() {
    const verdict = met => met === true ? html('span', {class: 'good'}, '✓ met')
        : met === false ? html('span', {class: 'bad'}, '✗ missed') : html('span', {class: 'soft'}, '– not measured');
    const rows = list(result.criteria).map(one =>
        [plain(one.text ?? one.id), plain(one.wanted).replace('<=', '≤').replace('>=', '≥'), plain(one.measured), verdict(one.met)]);
    return rows.length ? table([{name: 'criterion'}, {name: 'wanted', number: true}, {name: 'measured', number: true}, {name: ''}], rows)
                       : missing('No criteria were judged in this run.');
}

/** Lock-hold over one dimension: what is the same in a panel is key, what runs along it is along. */
function holdPanels(cells, {key, along, xName, xFormat, valueName, caption, lineOf = () => null}) {
    return groupsBy(cells, key).flatMap(group => {
        const xTicks = ascending(group.map(along)), names = namesIn(group);
        const holdAt = (name, x) => longestHold(contenderIn(group.find(cell => along(cell) === x), name));
        const series = names.map(name => ({style: styleOf(name), line: lineOf(group[0], name), points: xTicks
            .map(x => ({x, hold: holdAt(name, x)})).filter(({hold}) => hold)
            .map(({x, hold}) => ({x, y: hold.p50, tooltip: `${valueName(x)}: p50 ${formatTime(hold.p50)}, p99 ${formatTime(hold.p99)}`}))}))
            .filter(({points}) => points.length > 0);
        if (xTicks.length < 2 || series.length === 0) return [];
        return [{mix: mixOf(group[0]), panel: pointChart({caption: caption(group[0]), series, xTicks, xName, yName: 'lock-hold, p50', xFormat, yFormat: formatTime,
            description: `Lines, one a contender: lock-hold p50 against ${xName}. The table holds the figures.`,
            figures: contenderTable(names, xTicks, valueName, (name, x) => {
                const hold = holdAt(name, x);
                return hold ? formatTimes(hold.p50, hold.p99) : kNone;
            })})}];
    });
}

const kHoldWords = 'Lock-hold is the time from the moment a branch’s row lock is granted to the moment a waiting session gets it; ' +
    'the branch that is held longest, p50 (in the tables: p50 and, in brackets, p99).';

function holdAgainstBranches() {
    const drawn = holdPanels(withShownRtts(list(result.hold)), {
        key: cell => `${mixOf(cell)}|${cell.rtt_ms}`, along: cell => cell.branches, xName: 'branches', xFormat: formatNumber, valueName: branchesOf,
        caption: cell => `${mixName(mixOf(cell))}, ${nameOfRtt(cell.rtt_ms)}`});
    return drawn.length ? [html('p', {}, kHoldWords), ...panels(drawn)]
                        : missing('Lock-hold was not measured for several numbers of branches in this run.');
}

function holdAgainstRtt() {
    const lineOf = (cell, name) => {
        const law = contenderIn(list(result.law).find(one => mixOf(one) === mixOf(cell) && one.branches === cell.branches), name);
        return isNumber(law?.h0_us) && isNumber(law?.k) ? rtt => law.h0_us + law.k * rtt * 1000 : null;
    };
    const drawn = holdPanels(list(result.hold), {
        key: cell => `${mixOf(cell)}|${cell.branches}`, along: cell => cell.rtt_ms, xName: 'network round trip in ms (0: loopback)', xFormat: formatNumber, valueName: nameOfRtt,
        caption: cell => `${mixName(mixOf(cell))}, ${branchesOf(cell.branches)}`, lineOf});
    return drawn.length ? [html('p', {}, 'Marks are measured. A line is the law H0 + k × round trip where it is known; otherwise it joins the marks.'), ...panels(drawn)]
                        : missing('Lock-hold was not measured at several round trips in this run.');
}

function holdDistribution() {
    const cells = withShownRtts(list(result.hold)).filter(cell => cell.branches === 2);
    const drawn = groupsBy(cells, cell => `${mixOf(cell)}|${cell.rtt_ms}`).flatMap(([cell]) => {
        const rows = contendersOf(cell).flatMap(({name, branches}) => list(branches).map((branch, i) => ({
            style: styleOf(name), label: `${styleOf(name).label} · ${i + 1}`, histogram: list(branch.histogram).filter(([upper]) => upper > 0), ...object(branch.hold_us),
            samples: branch.samples}))).filter(({p50}) => p50 > 0);
        if (rows.length === 0) return [];
        return [{mix: mixOf(cell), panel: distributionChart({caption: `${mixName(mixOf(cell))}, 2 branches, ${nameOfRtt(cell.rtt_ms)}`, rows,
            description: 'One histogram of lock-hold for each contender and branch over a logarithmic axis of time. The table holds the quantiles.',
            figures: table([{name: 'contender · branch'}, ...['samples', 'p50', 'p99', 'max'].map(name => ({name, number: true}))],
                rows.map(({label, samples, p50, p99, max}) => [label, formatNumber(samples), formatTime(p50), formatTime(p99), formatTime(max)]))})}];
    });
    return drawn.length ? [html('p', {}, 'Each branch by itself. The tall mark is p50, the middle one p99, the small one the longest hold seen; the axis is logarithmic.'), ...panels(drawn)]
                        : missing('No distribution of lock-hold with two branches is in this result.');
}

const failedIn = contender => list(contender?.rounds).reduce((sum, {failed}) => sum + (failed > 0 ? failed : 0), 0);
const throughputText = contender => isNumber(median(contender))
    ? `${formatNumber(median(contender))} (${formatNumber(contender.throughput.min)}–${formatNumber(contender.throughput.max)})` : kNone;

/** Throughput against threads, wherever there are several numbers of threads. */
function threadPanels(cells, key, {caption, isYLogarithmic}) {
    return groupsBy(cells, key).flatMap(group => {
        const xTicks = ascending(group.map(cell => cell.threads)), names = namesIn(group);
        const at = (name, x) => contenderIn(group.find(cell => cell.threads === x), name);
        const series = names.map(name => ({style: styleOf(name), points: xTicks.map(x => ({x, one: at(name, x)}))
            .filter(({one}) => median(one) > 0).map(({x, one}) => ({x, y: median(one), low: one.throughput.min, high: one.throughput.max,
                tooltip: `${count(x, 'thread')}: ${throughputText(one)} tx/s`}))})).filter(({points}) => points.length > 0);
        if (xTicks.length < 2 || series.length === 0) return [];
        return [{mix: mixOf(group[0]), panel: pointChart({caption: caption(group[0]), series, xTicks, xName: 'threads', isXLogarithmic: true, isYLogarithmic,
            yName: `transactions a second${isYLogarithmic ? ', logarithmic' : ''}`, yFormat: formatShort,
            description: 'Lines, one a contender: throughput against threads, with the extremes of the rounds. The table holds the figures.',
            figures: contenderTable(names, xTicks, x => count(x, 'thread'), (name, x) => throughputText(at(name, x)))})}];
    });
}

function throughputAgainstThreads() {
    const drawn = threadPanels(withShownRtts(list(result.cells)),
        cell => `${mixOf(cell)}|${cell.branches}|${cell.rtt_ms}|${cell.rows}|${cell.read_only_share ?? 0}`,
        {caption: cell => `${mixName(mixOf(cell))}, ${branchesOf(cell.branches)}, ${nameOfRows(cell)}, ${nameOfRtt(cell.rtt_ms)}`});
    return drawn.length ? [html('p', {}, 'Median of the rounds; the thin upright lines reach from the slowest round to the fastest.'), ...panels(drawn)]
                        : missing('Throughput was not measured with several numbers of threads in this run.');
}

function throughputOfContenders() {
    const cells = withShownRtts(list(result.cells));
    const threads = cells.some(cell => cell.threads === 8) ? 8 : Math.max(...cells.map(cell => cell.threads));
    const groups = groupsBy(cells.filter(cell => cell.threads === threads),
        cell => `${mixOf(cell)}|${cell.branches}|${cell.rows}|${cell.read_only_share ?? 0}`);
    const drawn = groups.flatMap(group => {
        const rtts = ascending(group.map(cell => cell.rtt_ms)), names = namesIn(group);
        const at = (name, rtt) => contenderIn(group.find(cell => cell.rtt_ms === rtt), name);
        const bars = names.map(name => ({style: styleOf(name), bars: rtts.map(rtt => {
            const {median: value, min: low, max: high} = object(at(name, rtt)?.throughput);
            return {value, low, high, text: formatNumber(value)};
        })})).filter(one => one.bars.some(({value}) => isNumber(value)));
        if (bars.length === 0) return [];
        return [{mix: mixOf(group[0]), panel: barChart({caption: `${mixName(mixOf(group[0]))}, ${branchesOf(group[0].branches)}, ${nameOfRows(group[0])}, ${count(threads, 'thread')}`,
            groups: bars, keys: rtts.map(nameOfRtt), valueName: 'transactions a second',
            description: `Bars, a group for each contender: throughput at ${rtts.map(nameOfRtt).join(' and ')}, with the extremes of the rounds. The table holds the figures.`,
            figures: table([{name: 'contender'}, ...rtts.flatMap(rtt => [`tx/s, ${nameOfRtt(rtt)}`, 'commit p50', 'commit p99'])
                .map(name => ({name, number: true})), {name: 'not committed', number: true}],
            names.map(name => [styleOf(name).label, ...rtts.flatMap(rtt => [throughputText(at(name, rtt)),
                formatTime(at(name, rtt)?.commit_us?.p50), formatTime(at(name, rtt)?.commit_us?.p99)]),
                formatNumber(rtts.reduce((sum, rtt) => sum + failedIn(at(name, rtt)), 0))]))})}];
    });
    return drawn.length ? [html('p', {}, 'Median of the rounds; whiskers reach from the slowest round to the fastest.'), ...panels(drawn)]
                        : missing('Throughput was not measured in this run.');
}

function waiting() {
    const hot = list(result.cells).filter(cell => cell.rows === 'hot' && cell.threads > 1 && !(cell.read_only_share > 0));
    const drawn = groupsBy(withShownRtts(hot), cell => `${mixOf(cell)}|${cell.branches}|${cell.threads}`).flatMap(group => {
        const rtts = ascending(group.map(cell => cell.rtt_ms)), names = namesIn(group);
        const at = (name, rtt) => object(contenderIn(group.find(cell => cell.rtt_ms === rtt), name)?.transaction_us);
        if (!names.some(name => rtts.some(rtt => isNumber(at(name, rtt).p99)))) return [];
        return [{mix: mixOf(group[0]), panel: html('div', {class: 'panel'}, html('h3', {}, `${mixName(mixOf(group[0]))}, ${branchesOf(group[0].branches)}, ${count(group[0].threads, 'thread')}`),
            table([{name: 'contender'}, ...rtts.flatMap(rtt => [`p50, ${nameOfRtt(rtt)}`, 'p99', 'max']).map(name => ({name, number: true}))],
                names.map(name => [styleOf(name).label, ...rtts.flatMap(rtt => ['p50', 'p99', 'max'].map(part => formatTime(at(name, rtt)[part])))])))}];
    });
    return drawn.length ? [html('p', {}, 'How long a transaction takes on a hot row, from before its begin to after its commit, with all its waiting for those before it. Where the row is given in the order of coming, p99 is near p50. p50 and p99 are medians of the rounds; max is the longest of all.'), ...panels(drawn)]
                        : missing('No throughput on a hot row was measured with several threads in this run.');
}

function phases() {
    const kinds = ['work', 'prepare', 'decision', 'commit'];
    const drawn = groupsBy(withShownRtts(list(result.hold)), cell => `${mixOf(cell)}|${cell.branches}|${cell.rtt_ms}`).flatMap(([cell]) => {
        const rows = contendersOf(cell).map(one => ({label: styleOf(one.name).label, trips: one.trips_in_hold, parts: kinds
            .map(kind => ({kind, value: object(one.phases_us)[kind]})).filter(({value}) => isNumber(value))}))
            .filter(({parts}) => parts.length > 0);
        if (rows.length === 0) return [];
        return [{mix: mixOf(cell), panel: stackedChart({caption: `${mixName(mixOf(cell))}, ${branchesOf(cell.branches)}, ${nameOfRtt(cell.rtt_ms)}`, kinds, format: formatTime,
            rows: rows.map(row => ({...row, note: isNumber(row.trips) ? count(row.trips, 'trip') : ''})),
            description: 'Stacked bars, one for each contender: the phases of lock-hold. The table holds the figures.',
            figures: table([{name: 'contender'}, ...kinds.map(name => ({name, number: true})), {name: 'trips in hold', number: true}],
                rows.map(({label, parts, trips}) => [label, ...kinds.map(kind => formatTime(parts.find(part => part.kind === kind)?.value)), formatNumber(trips)]))})}];
    });
    return drawn.length ? [html('p', {}, 'Beside a bar: the sum of the phases, and the round trips within the hold.'), ...panels(drawn)]
                        : missing('No contender reported the phases of its lock-hold in this run.');
}

function counted() {
    const columns = ['waits', 'trips', 'trips_in_hold', 'server_forces', 'log_forces', 'transactions_a_commit'];
    const drawn = groupsBy(list(result.counted), cell => `${mixOf(cell)}|${cell.branches}`).flatMap(([cell]) => {
        const rows = contendersOf(cell).map(one => [styleOf(one.name).label, ...columns.map(column => formatNumber(one[column]))]);
        return rows.length ? [{mix: mixOf(cell), panel: html('div', {class: 'panel'}, html('h3', {}, `${mixName(mixOf(cell))}, ${branchesOf(cell.branches)}`),
            table([{name: 'contender'}, ...columns.map(name => ({name: name.replaceAll('_', ' '), number: true}))], rows))}] : [];
    });
    return drawn.length ? [html('p', {}, 'For one global transaction. Trips: requests and their answers, on all connections; waits: the trips that follow one another, which the application waits for; trips in hold: those of them within the longest lock-hold, of a commit where several transactions share one, which is counted with several threads; forces: writes that had to reach the disk.'), ...panels(drawn)]
                        : missing('Round trips and forces were not counted in this run.');
}

function signed(percent) {
    const whole = Math.round(percent);
    return `${whole > 0 ? '+' : whole < 0 ? '−' : ''}${Math.abs(whole)} %`;
}

function prediction() {
    const drawn = groupsBy(list(result.law), cell => `${mixOf(cell)}|${cell.branches}`).flatMap(([cell]) => {
        const pairsOf = one => Object.entries(object(one.predicted_tx_s))
            .map(([rtt, predicted]) => ({rtt: Number(rtt), predicted, measured: object(one.measured_tx_s)[rtt]}))
            .filter(({predicted, measured}) => predicted > 0 && measured > 0)
            .map(pair => ({...pair, x: pair.predicted, y: (pair.measured / pair.predicted - 1) * 100}))
            .sort((a, b) => a.rtt - b.rtt);
        const textOf = ({predicted, measured, y}) => `${formatNumber(predicted)} → ${formatNumber(measured)} (${signed(y)})`;
        const contenders = contendersOf(cell);
        const shownOf = one => pairsOf(one).filter(({rtt}) => rtt > 0);
        const series = contenders.map(one => ({style: styleOf(one.name), points: shownOf(one).map(pair =>
            ({...pair, tooltip: `${nameOfRtt(pair.rtt)}: ${textOf(pair)}`}))}))
            .filter(({points}) => points.length > 0);
        if (series.length === 0) return [];
        const pairs = contenders.flatMap(shownOf), rtts = ascending(contenders.flatMap(pairsOf).map(({rtt}) => rtt));
        const far = ticksUpTo(Math.max(10, ...pairs.map(({y}) => Math.abs(y))), 2).filter(tick => tick > 0);
        return [{mix: mixOf(cell), panel: pointChart({caption: `${mixName(mixOf(cell))}, ${branchesOf(cell.branches)}`, series, isXLogarithmic: true, isJoined: false,
            xTicks: decades(pairs.map(({x}) => x)), yTicks: [...far.map(tick => -tick).reverse(), 0, ...far],
            xName: 'predicted transactions a second, logarithmic', yName: 'measured against predicted', xFormat: formatShort, yFormat: signed,
            description: 'Marks, one for each contender and round trip: by how much the measured throughput is above or below the predicted one. The table holds the figures.',
            figures: table([{name: 'contender'}, {name: 'H0', number: true}, {name: 'k', number: true},
                ...rtts.map(rtt => ({name: `${nameOfRtt(rtt)}: predicted → measured`, number: true}))],
            contenders.map(one => [styleOf(one.name).label, formatTime(one.h0_us), formatNumber(one.k), ...rtts.map(rtt => {
                const pair = pairsOf(one).find(other => other.rtt === rtt);
                return pair ? textOf(pair) : kNone;
            })]))})}];
    });
    return drawn.length ? [html('p', {}, 'The law is hold = H0 + k × round trip, and one hot row gives 1 / hold transactions a second. H0 is taken from loopback, k from the counted trips, so only the other round trips are predictions; a mark at 0 % was predicted exactly.'), ...panels(drawn)]
                        : missing('This result holds no prediction beside a measurement.');
}

function manyOpen() {
    const drawn = groupsBy(list(result.many_open), cell => `${mixOf(cell)}|${cell.open}`).flatMap(group => {
        const rtts = ascending(group.map(cell => cell.rtt_ms));
        const entrants = group.flatMap(cell => list(cell.contenders)).filter(({throughput}) => isNumber(throughput?.median));
        const idOf = ({name, threads}) => `${name}|${threads}`;
        const at = (entrant, rtt) => list(group.find(cell => cell.rtt_ms === rtt)?.contenders).find(one => idOf(one) === idOf(entrant));
        const shown = entrants.filter((one, i) => entrants.findIndex(other => idOf(other) === idOf(one)) === i);
        if (shown.length === 0) return [];
        const labelOf = ({name, threads}) => `${styleOf(name).label}, ${count(threads, 'thread')}`;
        const bars = shown.map(entrant => ({style: {...styleOf(entrant.name), label: labelOf(entrant)}, bars: rtts.map(rtt => {
            const {median: value, min: low, max: high} = object(at(entrant, rtt)?.throughput);
            return {value, low, high, text: formatNumber(value)};
        })}));
        return [{mix: mixOf(group[0]), panel: barChart({caption: `${mixName(mixOf(group[0]))}, 2 branches, cold rows, async with ${formatNumber(group[0].open)} open at once`,
            groups: bars, keys: rtts.map(nameOfRtt), valueName: 'transactions a second',
            description: 'Bars, a group for each number of threads: throughput, with the extremes of the rounds. The table holds the figures.',
            figures: table([{name: 'contender'}, ...rtts.flatMap(rtt => [`tx/s, ${nameOfRtt(rtt)}`, 'commit p50', 'commit p99'])
                .map(name => ({name, number: true})), {name: 'not committed', number: true}],
            shown.map(entrant => [labelOf(entrant), ...rtts.flatMap(rtt => [throughputText(at(entrant, rtt)),
                formatTime(at(entrant, rtt)?.commit_us?.p50), formatTime(at(entrant, rtt)?.commit_us?.p99)]),
                formatNumber(rtts.reduce((sum, rtt) => sum + failedIn(at(entrant, rtt)), 0))]))})}];
    });
    return drawn.length ? [html('p', {}, 'Async opens all its transactions, whose statements block, and then commits all at once, wave after wave; the others have one transaction open a thread. A commit in a wave waits for the others of the wave.'), ...panels(drawn)]
                        : missing('Many transactions open at once were not measured in this run.');
}

function tmAlone() {
    const caption = cell => cell.log === 'none' ? 'Without a log' : cell.log === 'durable' ? 'With a durable log' : `Log: ${cell.log}`;
    const cells = list(result.tm_alone).filter(cell => list(cell.contenders).some(one => median(one) > 0));
    const drawn = [...threadPanels(cells, cell => cell.log, {caption, isYLogarithmic: true}),
        ...groupsBy(cells, cell => cell.log).filter(group => group.length === 1).map(([cell]) => ({mix: mixOf(cell), panel: barChart({
            caption: caption(cell), keys: [count(cell.threads, 'thread')], valueName: 'transactions a second',
            groups: contendersOf(cell).filter(one => isNumber(median(one))).map(one => ({style: styleOf(one.name), bars: [
                {value: median(one), low: one.throughput.min, high: one.throughput.max, text: formatNumber(median(one))}]})),
            description: 'Bars, one for each contender: throughput, with the extremes of the rounds. The table holds the figures.',
            figures: contenderTable(namesIn([cell]), [cell.threads], x => count(x, 'thread'), name => throughputText(contenderIn(cell, name)))})}))];
    return drawn.length ? [html('p', {}, 'Two null resources that answer at once: what is left is the manager itself.'), ...panels(drawn)]
                        : missing('The managers alone, over null resources, were not measured in this run.');
}

function memory() {
    const {growth_bytes_over_million: growth, bytes_per_open_transaction: open} = object(result.memory);
    const rows = [
        ...(isNumber(growth) ? [['growth over 1 million transactions', formatBytes(growth)]] : []),
        ...(isNumber(open) ? [['for each open transaction of two branches, connections apart', formatBytes(open)]] : []),
    ];
    return rows.length ? table([{name: 'memory of xa_tm'}, {name: '', number: true}], rows) : missing('Memory was not measured in this run.');
}

function notMeasured() {
    const rows = list(result.not_measured).map(({name, why}) => [plain(name), plain(why)]);
    return rows.length ? table([{name: 'what'}, {name: 'why'}], rows) : missing('The result names nothing that was left out.');
}

// ---- The page -----------------------------------------------------------------------------------

const kSections = [
    ['Set-up', setUp],
    ['Criteria', criteria],
    ['Lock-hold against the number of branches', holdAgainstBranches],
    ['Lock-hold against the network', holdAgainstRtt],
    ['How lock-hold is spread', holdDistribution],
    ['Throughput against threads', throughputAgainstThreads],
    ['Throughput of each contender', throughputOfContenders],
    ['Fairness: a transaction’s whole time', waiting],
    ['Where lock-hold goes', phases],
    ['Counted: trips and forces', counted],
    ['Prediction and measurement', prediction],
    ['Many transactions open at once', manyOpen],
    ['The transaction manager alone', tmAlone],
    ['Memory', memory],
    ['Not measured', notMeasured],
];

const page = document.querySelector('main');
page.append(html('p', {class: 'lead'}, sentence()));
for (const [title, section] of kSections) page.append(html('section', {}, html('h2', {}, title), section()));
drawCharts();
// Paper has no summaries to open.
addEventListener('beforeprint', () => document.querySelectorAll('.figures').forEach(one => { one.open = true; }));
document.documentElement.dataset.charts = document.querySelectorAll('.chart > svg').length;
