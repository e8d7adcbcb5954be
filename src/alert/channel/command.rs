//! A program of this machine: argv without a shell, the message as JSON on stdin and in the environment.

use std::{io, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command as Process},
};

use crate::{
    alert::{
        message::{Message, Outcome},
        words::{clean, clip, text, title},
    },
    config::Command,
};

use super::post::MAX_WHY_BYTES;

/// Bytes of a program's output that are kept; the rest is read and dropped.
pub const MAX_OUTPUT_BYTES: usize = 16 << 10;
/// Longest value of an environment variable; the system takes 128 KiB.
const MAX_VARIABLE_BYTES: usize = 64 << 10;
/// How long output is waited for that children of the program hold open after its end.
const LINGER: Duration = Duration::from_millis(200);
/// Exit status by which a program says that it was called wrongly: trying again won't help (sysexits.h).
pub const EX_USAGE: i32 = 64;
/// That it can't do anything with what it was given.
pub const EX_DATAERR: i32 = 65;
/// That it should be tried again, as every other failure is.
pub const EX_TEMPFAIL: i32 = 75;
/// That it is configured wrongly.
pub const EX_CONFIG: i32 = 78;
/// What programs are looked for in by the program itself.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Ends the program with everything that it started, should nobody have waited for its end.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Its leader was not waited for: the group's number is still its own. It may be gone all the same.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// One try.
pub(super) async fn run(message: &Message, settings: &Command, timeout: Duration) -> Outcome {
    let program = settings.argv.first().map(String::as_str).unwrap_or_default();
    let later = |why: String| Outcome::Later { why, after: None };
    let mut child = match start(message, settings) {
        Ok(child) => child,
        // A program that is being replaced is not there for a moment.
        Err(error) => return later(format!("{program} was not started: {error}")),
    };
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let mut group = Group(pid);
    match tokio::time::timeout(timeout, talk(&mut child, message)).await {
        Ok(Ok((status, output))) => {
            group.0 = None;
            let secrets = settings.env.iter().map(|(_, secret)| secret);
            let output = secrets.fold(clean(&output), |text, secret| secret.scrub(&text));
            let said = if output.is_empty() {
                String::new()
            } else {
                format!(": {output}")
            };
            let told = |how: String| clip(&format!("{program} {how}{said}"), MAX_WHY_BYTES).into_owned();
            match status.code() {
                Some(0) => Outcome::Delivered,
                Some(code @ (EX_USAGE | EX_DATAERR | EX_CONFIG)) => Outcome::Refused {
                    why: told(format!("ended with {code}")),
                },
                Some(code) => later(told(format!("ended with {code}"))),
                None => later(told("was killed by a signal".to_owned())),
            }
        }
        Ok(Err(error)) => later(format!("{program}: {error}")),
        Err(_) => later(format!(
            "{program} did not end within {}, and was killed",
            humantime::format_duration(timeout)
        )),
    }
}

fn start(message: &Message, settings: &Command) -> io::Result<Child> {
    let [program, arguments @ ..] = &settings.argv[..] else {
        return Err(io::Error::other("there is no program"));
    };
    let mut process = Process::new(program);
    process
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .envs(variables(message))
        .envs(settings.env.iter().map(|(name, value)| (name, value.expose())))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    process.spawn()
}

/// The message for those who read no JSON. Control signs are out of every text, NUL among them.
pub(super) fn variables(message: &Message) -> Vec<(&'static str, String)> {
    let targets: Vec<String> = message
        .subjects
        .iter()
        .map(|subject| clean(&subject.name))
        .collect();
    let time = |time: Option<crate::feed::Time>| time.map(|time| time.to_string()).unwrap_or_default();
    vec![
        ("ENDTURN_KEY", clean(&message.key)),
        ("ENDTURN_ALARM", clean(&message.alarm)),
        ("ENDTURN_CHANNEL", clean(&message.channel)),
        ("ENDTURN_RULE", clean(&message.rule)),
        ("ENDTURN_KIND", message.kind.as_str().to_owned()),
        ("ENDTURN_SEVERITY", message.severity.as_str().to_owned()),
        ("ENDTURN_VANTAGE", clean(&message.vantage)),
        ("ENDTURN_STARTED_AT", time(Some(message.started_at))),
        ("ENDTURN_ENDED_AT", time(message.ended_at)),
        ("ENDTURN_TITLE", title(message)),
        (
            "ENDTURN_TARGETS",
            clip(&targets.join(" "), MAX_VARIABLE_BYTES).into_owned(),
        ),
        (
            "ENDTURN_LINK",
            message.link.as_deref().map(clean).unwrap_or_default(),
        ),
        (
            "ENDTURN_TEXT",
            clip(&text(message), MAX_VARIABLE_BYTES).into_owned(),
        ),
    ]
}

/// Gives it the message, reads what it says, waits for its end.
async fn talk(child: &mut Child, message: &Message) -> io::Result<(std::process::ExitStatus, String)> {
    let mut json = serde_json::to_vec(message).map_err(io::Error::other)?;
    json.push(b'\n');
    let stdin = child.stdin.take();
    let tell = async move {
        if let Some(mut stdin) = stdin {
            // A program need not read it.
            let _ = stdin.write_all(&json).await;
        }
    };
    let mut said = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let status = {
        let talking = async {
            tokio::join!(drain(stderr, &mut said.0), drain(stdout, &mut said.1), tell);
        };
        tokio::pin!(talking);
        let ended = tokio::select! {
            status = child.wait() => Some(status?),
            () = &mut talking => None,
        };
        match ended {
            Some(status) => {
                // What it wrote is there; only what it left running may still hold the pipes.
                let _ = tokio::time::timeout(LINGER, talking).await;
                status
            }
            None => child.wait().await?,
        }
    };
    let said = [said.0, said.1].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Ok((status, said.join(" ")))
}

/// Reads to the end and keeps the beginning.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let room = MAX_OUTPUT_BYTES - kept.len();
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
}

#[cfg(test)]
mod tests;
