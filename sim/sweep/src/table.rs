//! The rows of a sweep, and how shards of them become one.
//!
//! A table holds no wall time and nothing else that another machine would write differently, so that shards merged are the
//! same file as one run, bit for bit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use drydock_scenario::text::io_cause;

use crate::parquet;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Number,
    Text,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<(String, Kind)>,
    pub rows: Vec<Vec<Cell>>,
}

/// Which sweep a row belongs to, which run of it the row is, of how many.
pub const SWEEP: &str = "sweep";
pub const RUN: &str = "run";
pub const OF: &str = "of";

/// The forms of a table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Csv,
    Parquet,
}

impl Form {
    fn of(path: &Path) -> Option<Form> {
        match path.extension()?.to_str()? {
            "csv" => Some(Form::Csv),
            "parquet" => Some(Form::Parquet),
            _ => None,
        }
    }
}

/// The files of a table that is asked for at a path: itself, or one of each form in a folder.
pub fn files_at(path: &Path) -> Vec<(PathBuf, Form)> {
    match Form::of(path) {
        Some(form) => vec![(path.to_path_buf(), form)],
        None => vec![(path.join("sweep.csv"), Form::Csv), (path.join("sweep.parquet"), Form::Parquet)],
    }
}

impl Cell {
    fn of(text: &str, kind: Kind) -> Option<Cell> {
        if text.is_empty() {
            return Some(Cell::Null);
        }
        match kind {
            Kind::Bool => text.parse().ok().map(Cell::Bool),
            Kind::Int => text.parse().ok().map(Cell::Int),
            Kind::Number => text.parse().ok().map(Cell::Number),
            Kind::Text => Some(Cell::Text(text.to_string())),
        }
    }

    /// As it stands in a CSV file: numbers with as many digits as bring them back.
    fn text(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Bool(v) => v.to_string(),
            Cell::Int(v) => v.to_string(),
            Cell::Number(v) => v.to_string(),
            Cell::Text(v) => v.clone(),
        }
    }
}

impl Table {
    /// Writes the table in every form that the path asks for.
    pub fn write(&self, path: &Path) -> Result<Vec<PathBuf>, String> {
        let files = files_at(path);
        if let Some(folder) = files[0].0.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| format!("{}: {}", folder.display(), io_cause(&e)))?;
        }
        for (file, form) in &files {
            let bytes = match form {
                Form::Csv => self.to_csv()?,
                Form::Parquet => parquet::write(self)?,
            };
            std::fs::write(file, bytes).map_err(|e| format!("{}: {}", file.display(), io_cause(&e)))?;
        }
        Ok(files.into_iter().map(|(file, _)| file).collect())
    }

    /// Reads a table; of a folder, its CSV file.
    pub fn read(path: &Path) -> Result<Table, String> {
        let (file, form) = files_at(path).swap_remove(0);
        let bytes = || std::fs::read(&file).map_err(|e| io_cause(&e));
        let table = match form {
            Form::Csv => bytes().and_then(|bytes| Table::from_csv(&bytes)),
            Form::Parquet => parquet::read(&file),
        };
        table.map_err(|why| format!("{}: {why}", file.display()))
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(n, _)| n == name)
    }

    fn to_csv(&self) -> Result<Vec<u8>, String> {
        let mut to = csv::Writer::from_writer(Vec::new());
        let said = |e: csv::Error| e.to_string();
        to.write_record(self.columns.iter().map(|(name, _)| name)).map_err(said)?;
        for row in &self.rows {
            to.write_record(row.iter().map(Cell::text)).map_err(said)?;
        }
        to.into_inner().map_err(|e| e.to_string())
    }

    /// The file has no place for the kinds of the columns: they come from the names, or from what stands in them.
    fn from_csv(bytes: &[u8]) -> Result<Table, String> {
        let mut from = csv::Reader::from_reader(bytes);
        let said = |e: csv::Error| e.to_string();
        let names: Vec<String> = from.headers().map_err(said)?.iter().map(str::to_string).collect();
        let records = from.records().collect::<Result<Vec<csv::StringRecord>, _>>().map_err(said)?;
        let kind = |c: usize| kind_of(&names[c], records.iter().map(|r| &r[c]));
        let kinds: Vec<Kind> = (0..names.len()).map(kind).collect();
        let mut rows = Vec::with_capacity(records.len());
        for (line, record) in records.iter().enumerate() {
            let cells = record.iter().zip(&kinds).map(|(text, kind)| Cell::of(text, *kind)).collect::<Option<Vec<_>>>();
            rows.push(cells.ok_or_else(|| format!("row {} has a cell of the wrong kind", line + 2))?);
        }
        Ok(Table { columns: names.into_iter().zip(kinds).collect(), rows })
    }

    /// One table from the shards of a sweep, in any order. Missing runs are an error unless `partial`.
    pub fn merge(shards: Vec<Table>, partial: bool) -> Result<Table, String> {
        let mut runs: BTreeMap<i64, Vec<Cell>> = BTreeMap::new();
        let mut columns: Option<Vec<(String, Kind)>> = None;
        let (mut sweep, mut of) = (None, 0);
        for table in shards.into_iter().filter(|table| !table.rows.is_empty()) {
            let place = |name: &str| {
                table.column(name).ok_or(format!("there is no column {name}: this is no shard of a sweep"))
            };
            let (run_at, sweep_at, of_at) = (place(RUN)?, place(SWEEP)?, place(OF)?);
            let wanted = columns.get_or_insert_with(|| table.columns.clone());
            if wanted.len() != table.columns.len() || wanted.iter().zip(&table.columns).any(|(a, b)| a.0 != b.0) {
                return Err("the shards have different columns: they are not of one sweep".into());
            }
            // A column that is empty in one shard is of the other's kind.
            for (c, (have, new)) in wanted.iter_mut().zip(&table.columns).enumerate() {
                let empty = table.rows.iter().all(|row| row[c] == Cell::Null);
                if !empty {
                    have.1 = wider(have.1, new.1, runs.values().all(|row| row[c] == Cell::Null));
                }
            }
            for row in table.rows {
                let sweep = sweep.get_or_insert_with(|| row[sweep_at].clone());
                if *sweep != row[sweep_at] {
                    return Err(format!(
                        "these are shards of different sweeps ({} and {}): the command, the scenario or a file of it differ",
                        sweep.text(),
                        row[sweep_at].text()
                    ));
                }
                let (Cell::Int(run), Cell::Int(all)) = (&row[run_at], &row[of_at]) else {
                    return Err("a row does not say which run it is".into());
                };
                of = *all;
                if runs.insert(*run, row.clone()).is_some_and(|before| before != row) {
                    return Err(format!("run {run} is there twice, and not the same: the versions differ"));
                }
            }
        }
        let columns = columns.ok_or("the shards have no rows")?;
        let missing: Vec<String> = (0..of).filter(|run| !runs.contains_key(run)).map(|run| run.to_string()).collect();
        if !missing.is_empty() && !partial {
            let some = missing[..missing.len().min(10)].join(", ");
            let more = if missing.len() > 10 { ", ..." } else { "" };
            return Err(format!(
                "{} of {of} runs are missing ({some}{more}): add their shards, or give --partial",
                missing.len()
            ));
        }
        let mut rows: Vec<Vec<Cell>> = runs.into_values().collect();
        for row in &mut rows {
            for (cell, (_, kind)) in row.iter_mut().zip(&columns) {
                *cell = as_kind(cell, *kind);
            }
        }
        Ok(Table { columns, rows })
    }
}

/// Columns that are not parameters say by their names what they are; a parameter is a number where all of it are.
fn kind_of<'a>(name: &str, mut cells: impl Iterator<Item = &'a str>) -> Kind {
    if let Some(kind) = crate::sweep::kind_of(name) {
        return kind;
    }
    match cells.all(|text| text.is_empty() || is_number(text)) {
        true => Kind::Number,
        false => Kind::Text,
    }
}

/// Whether a value is written as the number that it is would be.
pub(crate) fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|x| x.is_finite() && x.to_string() == text)
}

fn wider(have: Kind, new: Kind, have_is_empty: bool) -> Kind {
    if have == new || have_is_empty { new } else { Kind::Text }
}

fn as_kind(cell: &Cell, kind: Kind) -> Cell {
    match (cell, kind) {
        (Cell::Null, _) => Cell::Null,
        (Cell::Text(_), _) | (_, Kind::Text) => Cell::Text(cell.text()),
        _ => cell.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(runs: &[i64]) -> Table {
        let kinds =
            [(SWEEP, Kind::Text), (RUN, Kind::Int), (OF, Kind::Int), ("a", Kind::Number), ("error", Kind::Text)];
        let row = |run: &i64| {
            let error = if run % 2 == 0 { Cell::Null } else { Cell::Text(format!("no, \"{run}\"\nfailed")) };
            vec![Cell::Text("ab".into()), Cell::Int(*run), Cell::Int(4), Cell::Number(0.1 * *run as f64), error]
        };
        Table { columns: kinds.map(|(n, k)| (n.to_string(), k)).to_vec(), rows: runs.iter().map(row).collect() }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("drydock-table-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn tables_come_back_from_both_forms() {
        let folder = folder("forms");
        let whole = table(&[0, 1, 2, 3]);
        for (file, _) in files_at(&folder) {
            whole.write(&file).expect("written");
            assert_eq!(Table::read(&file), Ok(whole.clone()), "{}", file.display());
        }
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn shards_merged_in_any_order_are_the_whole() {
        let (odd, even) = (table(&[1, 3]), table(&[0, 2]));
        assert_eq!(Table::merge(vec![odd.clone(), even.clone()], false), Ok(table(&[0, 1, 2, 3])));
        assert_eq!(Table::merge(vec![even, odd], false), Ok(table(&[0, 1, 2, 3])));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let said = |tables: Vec<Table>| Table::merge(tables, false).unwrap_err();
        assert!(said(vec![table(&[0, 1])]).contains("2 of 4 runs are missing (2, 3)"));
        assert!(Table::merge(vec![table(&[0, 1])], true).is_ok());
        let mut other = table(&[2, 3]);
        other.rows[0][0] = Cell::Text("cd".into());
        assert!(said(vec![table(&[0, 1]), other]).contains("different sweeps"));
        let mut other = table(&[0, 2, 3]);
        other.rows[0][3] = Cell::Number(7.0);
        assert!(said(vec![table(&[0, 1]), other]).contains("run 0 is there twice"));
        assert!(said(vec![]).contains("no rows"));
    }
}
