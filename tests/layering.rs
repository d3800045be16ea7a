//! Imports only look down: ffi -> driver -> transport -> proto -> util. `error` is for all.

use std::path::{Path, PathBuf};

const LAYERS: [&str; 5] = ["util", "proto", "transport", "driver", "ffi"];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_layer_knows_one_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for (height, layer) in LAYERS.iter().enumerate() {
        let mut files = Vec::new();
        rust_files(&source.join(layer), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                for above in &LAYERS[height + 1..] {
                    seen += line.contains("crate::") as usize;
                    assert!(
                        !line.contains(&format!("crate::{above}")),
                        "{}:{}: {layer} must not know {above}: {line}",
                        file.display(),
                        number + 1
                    );
                }
            }
        }
    }
    assert!(seen > 50, "nothing was looked at");
}
