//! The environment of dogpile.cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is installed.
const PACKAGES: [&str; 2] = ["dogpile.cache==1.5.0", "redis"];

/// Returns the interpreter of a virtual environment that has dogpile.cache; makes it if it is not there.
pub fn make() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dogpile_cache");
    let program = directory.join("bin/python");
    if has_it(&program) {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
    run(Command::new(&program)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES))?;
    if has_it(&program) { Ok(program) } else { Err("it was installed, and cannot be imported".to_owned()) }
}

fn has_it(program: &Path) -> bool {
    let imports = Command::new(program).args(["-c", "import dogpile.cache, redis"]).stderr(Stdio::null()).status();
    imports.is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", command.get_program().display(), words.lines().last().unwrap_or("it has failed")))
}
