//! A log that somebody alters, in a hundred ways: each is found.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;
use crate::decisions::{files, home};
use crate::records::{ANONYMOUS, DENY, PERMIT, Worker};

/// What is altered; where it was chosen so that the finding has to name it, the file and the line.
struct Altered {
    what: &'static str,
    place: Option<(usize, usize)>,
}

/// Some thousand records of four workers, in three files with checkpoints, as the endpoint writes them.
fn log() -> (TempDir, Value) {
    let mut home = home();
    home.fleet()["decisions"]["rotate_mebibytes"] = json!(1);
    let endpoint = home.start();
    let mut workers: Vec<Worker> = (1..=4).map(Worker::new).collect();
    let mut random = fastrand::Rng::with_seed(8);
    for minute in 0..48 {
        for worker in &mut workers {
            let count = random.usize(5..40);
            let batch: String = (0..count)
                .map(|index| {
                    let said = *random.choice(&[PERMIT, PERMIT, DENY, ANONYMOUS]).unwrap();
                    worker.record(&format!("2026-11-26T18:{minute:02}:{index:02}.000Z"), said)
                })
                .collect();
            assert_eq!(endpoint.decide(&batch).0, 204);
        }
        if minute % 16 == 0 {
            let count = endpoint.metric(CHECKPOINTS);
            endpoint.until("a checkpoint is written", |endpoint| endpoint.metric(CHECKPOINTS) > count);
        }
    }
    assert_eq!(endpoint.terminate(), Some(0));
    let keys = home.trust();
    (home.folder, keys)
}

const CHECKPOINTS: &str = "portcullis_control_decisions_checkpoints_total{fleet=\"production\"}";

#[test]
fn each_of_a_hundred_alterations_is_found() {
    let (folder, keys) = log();
    let names = files(&folder.path().join("decisions"));
    let good: Vec<Vec<String>> = names
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap().split_inclusive('\n').map(str::to_owned).collect())
        .collect();
    let count = good.iter().flatten().count();
    assert!(names.len() >= 2 && count > 3000, "{} files with {count} lines", names.len());
    assert_eq!(verify(&names, &good, &keys).0, 0, "as it was written");

    let mut random = fastrand::Rng::with_seed(20_261_126);
    let altered: Vec<(Altered, Vec<Vec<String>>)> = (0..100)
        .map(|index| {
            let mut log = good.clone();
            let altered = alter(&mut log, index, &mut random);
            assert_ne!(log, good, "{}", altered.what);
            (altered, log)
        })
        .collect();
    // Each of them reads the whole log, so two do it at once.
    let (first, second) = altered.split_at(50);
    std::thread::scope(|scope| {
        for part in [first, second] {
            scope.spawn(|| part.iter().for_each(|(altered, log)| is_found(altered, &names, log, &keys)));
        }
    });
}

fn is_found(altered: &Altered, names: &[PathBuf], log: &[Vec<String>], keys: &Value) {
    let (code, report) = verify(names, log, keys);
    let (what, findings) = (altered.what, report["findings"].as_array().unwrap());
    assert_eq!(code, 1, "{what} was not found");
    assert!(!findings.is_empty() && findings.len() <= 6, "{what}: {report:#}");
    let Some((file, line)) = altered.place else { return };
    let name = names[file].file_name().unwrap().to_str().unwrap();
    let is_there =
        |finding: &Value| finding["file"].as_str().unwrap().ends_with(name) && finding["line"] == json!(line + 1);
    assert!(findings.iter().any(is_there), "{what} in {name}:{}: {report:#}", line + 1);
}

/// What the command says of a log.
fn verify(names: &[PathBuf], log: &[Vec<String>], keys: &Value) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path(), &[("keys.json", &keys.to_string())]);
    for (name, lines) in names.iter().zip(log) {
        std::fs::write(folder.path().join(name.file_name().unwrap()), lines.concat()).unwrap();
    }
    let (code, output, errors) =
        common::run(folder.path(), &["audit", "verify", ".", "--keys", "keys.json", "--output", "json"]);
    assert_eq!(errors, "");
    (code, serde_json::from_str(&output).unwrap())
}

fn alter(log: &mut [Vec<String>], index: usize, random: &mut fastrand::Rng) -> Altered {
    let is_record = |line: &String| !line.starts_with("{\"checkpoint\"");
    let file = random.usize(..log.len());
    let records: Vec<usize> = (0..log[file].len()).filter(|line| is_record(&log[file][*line])).collect();
    let checkpoints: Vec<usize> = (0..log[file].len()).filter(|line| !is_record(&log[file][*line])).collect();
    let line = *random.choice(&records).unwrap();
    let lines = &mut log[file];
    let altered = |what, line| Altered { what, place: Some((file, line)) };
    let nowhere = |what| Altered { what, place: None };
    match index % 10 {
        0 | 1 => {
            change(&mut lines[line], random);
            altered("a changed byte", line)
        }
        2 => {
            lines.remove(line);
            nowhere("a removed line")
        }
        3 => {
            // Neighbours of one worker.
            let next = records.iter().position(|other| *other == line).unwrap() + 1;
            let line = if next < records.len() { line } else { records[0] };
            let next = lines[line + 1..].iter().position(is_record).unwrap() + line + 1;
            lines.swap(line, next);
            nowhere("two lines that were swapped")
        }
        4 => {
            let other = *random.choice(&records).unwrap();
            if other == line {
                lines.remove(line);
            } else {
                lines.swap(line, other);
            }
            nowhere("two distant lines that were swapped")
        }
        5 => {
            let mut again = lines[line].clone();
            change(&mut again, random);
            let place = *random.choice(&records).unwrap();
            lines.insert(place, again);
            nowhere("a line that is there again, altered")
        }
        6 => {
            let again = lines[line].clone();
            lines.insert(*random.choice(&records).unwrap(), again);
            nowhere("a line that is there again")
        }
        7 => {
            lines.insert(line, Worker::new(99).record("2026-11-26T18:30:00.000Z", PERMIT));
            nowhere("a line of a worker that there never was")
        }
        8 => {
            let last = log.last_mut().unwrap();
            let text = last.concat();
            let cut = random.usize(..text.len() - 1);
            *last = text.split_at(cut).0.split_inclusive('\n').map(str::to_owned).collect();
            nowhere("an end that was cut off")
        }
        _ => {
            let line = *random.choice(&checkpoints).unwrap();
            if random.bool() {
                change(&mut lines[line], random);
                return altered("a checkpoint with a changed byte", line);
            }
            lines.remove(line);
            nowhere("a removed checkpoint")
        }
    }
}

/// Makes one byte another, which is one that text may have.
fn change(line: &mut String, random: &mut fastrand::Rng) {
    let mut bytes = std::mem::take(line).into_bytes();
    // Without its end: two lines would be one.
    let place = random.usize(..bytes.len() - 1);
    let other = random.u8(b' '..b'~');
    bytes[place] = if bytes[place] == other { b'~' } else { other };
    *line = String::from_utf8(bytes).unwrap();
}
