//! Where the programs of PostgreSQL are, and the files of an empty database.

use crate::error::{Error, Result};
use rustix::process::geteuid;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The user as whom a server runs that is started by root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Returns that user, if this process is root's.
pub(crate) fn owner() -> Result<Option<Owner>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let fields = users.lines().find_map(|line| line.strip_prefix("postgres:"));
    let numbers: Vec<u32> = fields.into_iter().flat_map(|line| line.split(':')).flat_map(str::parse).collect();
    match numbers[..] {
        [user, group, ..] => Ok(Some(Owner { user, group })),
        _ => Err(Error::new("PostgreSQL refuses root, and there is no user `postgres` to run it as")),
    }
}

/// Gives a file to the user.
pub(crate) fn chown(path: &Path, owner: Option<Owner>) -> Result<()> {
    if let Some(Owner { user, group }) = owner {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(())
}

/// Returns the path of a program of the server's. (Debian puts them outside of the PATH.)
///
/// # Errors
///
/// PostgreSQL is not installed.
pub fn bin(program: &str) -> Result<PathBuf> {
    static BIN: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let has_all =
            |directory: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|it| directory.join(it).is_file());
        let said = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output().ok();
        let said = said.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let version = |directory: &PathBuf| directory.file_name()?.to_str()?.parse::<u32>().ok();
        let mut versions: Vec<_> = versions.filter_map(|version| Some(version.ok()?.path())).collect();
        versions.sort_by_key(|directory| std::cmp::Reverse(version(directory)));
        let path = env::var_os("PATH").unwrap_or_default();
        let all = said.into_iter().chain(env::split_paths(&path)).chain(versions.into_iter().map(|it| it.join("bin")));
        all.into_iter().find(has_all)
    });
    let install = "install it (Debian, Ubuntu: `apt-get install postgresql`)";
    let directory = BIN.as_ref().ok_or_else(|| Error::new(format!("PostgreSQL is missing: {install}")))?;
    Ok(directory.join(program))
}

/// The files of an empty database, in memory: `initdb` takes seconds.
pub(crate) struct Template(Vec<(PathBuf, u32, Option<Vec<u8>>)>);

impl Template {
    /// Returns the files, and makes them before that, once in a process.
    pub(crate) fn get() -> Result<&'static Template> {
        static TEMPLATE: LazyLock<Result<Template>> = LazyLock::new(Template::make);
        TEMPLATE.as_ref().map_err(Clone::clone)
    }

    fn make() -> Result<Template> {
        let owner = owner()?;
        let directory = tempfile::Builder::new().prefix("dogpile-initdb-").tempdir()?;
        chown(directory.path(), owner)?;
        let data = directory.path().join("data");
        let mut command = match owner {
            Some(Owner { user, group }) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups", "--"]);
                command.arg(bin("initdb")?);
                command
            }
            None => Command::new(bin("initdb")?),
        };
        command.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]);
        let initdb = command.arg("--wal-segsize=1").current_dir(directory.path()).stdin(Stdio::null()).output()?;
        if !initdb.status.success() {
            return Err(Error::new(format!("initdb has failed: {}", String::from_utf8_lossy(&initdb.stderr))));
        }
        let mut files = Vec::new();
        read(&data, Path::new(""), &mut files)?;
        Ok(Template(files))
    }

    /// Writes the files to a directory.
    pub(crate) fn write(&self, directory: &Path, owner: Option<Owner>) -> Result<()> {
        for (name, mode, file) in &self.0 {
            let path = directory.join(name);
            match file {
                Some(bytes) => fs::write(&path, bytes)?,
                None => fs::create_dir(&path)?,
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
            chown(&path, owner)?;
        }
        Ok(())
    }
}

/// Reads a directory, and all that is below it, each directory before its files.
fn read(base: &Path, name: &Path, files: &mut Vec<(PathBuf, u32, Option<Vec<u8>>)>) -> Result<()> {
    let path = base.join(name);
    let about = fs::metadata(&path)?;
    let mode = about.permissions().mode() & 0o777;
    if !about.is_dir() {
        files.push((name.into(), mode, Some(fs::read(&path)?)));
        return Ok(());
    }
    files.push((name.into(), mode, None));
    for entry in fs::read_dir(&path)? {
        read(base, &name.join(entry?.file_name()), files)?;
    }
    Ok(())
}
