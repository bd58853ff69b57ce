//! Completions for shells, made from the table of verbs. Names of units are asked from the machine.

use std::fmt::Write;

use super::verb::{self, Completes, Flag, GLOBAL_FLAGS, Verb};

/// The shells.
pub(crate) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// How a shell gets the names of units.
const ASK_UNITS: &str = "keelctl status --names 2>/dev/null";

/// The script for a shell of [`SHELLS`].
pub(crate) fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// The words that can stand where a verb does; of a family of two words the first one.
fn first_words() -> Vec<&'static str> {
    let mut words: Vec<&str> = verb::all().filter_map(|verb| verb.name.split(' ').next()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn members(first: &str) -> Vec<&'static str> {
    let rest = |verb: &'static Verb| verb.name.strip_prefix(first)?.strip_prefix(' ');
    verb::all().filter_map(rest).collect()
}

fn bash() -> String {
    let mut text = String::from(
        "# keelctl completions for bash: keelctl completions bash > /etc/bash_completion.d/keelctl\n\
         _keelctl() {\n    local current previous verb=\"\" word\n    \
         current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n    \
         for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n        \
         case $word in -*) ;; *) verb=$word; break ;; esac\n    done\n    COMPREPLY=()\n",
    );
    let _ = writeln!(
        text,
        "    if [ -z \"$verb\" ]; then\n        COMPREPLY=($(compgen -W \"{}\" -- \"$current\"))\n        \
         return\n    fi\n    case $verb in",
        first_words().join(" ")
    );
    for verb in verb::all() {
        let Some((first, second)) = verb.name.split_once(' ') else {
            let _ = writeln!(text, "    {})", verb.name);
            bash_verb(verb, &mut text);
            continue;
        };
        // The first member of a family speaks for all.
        if members(first).first() == Some(&second) {
            let _ = writeln!(text, "    {first})");
            let words = members(first).join(" ");
            let _ = writeln!(
                text,
                "        if [ \"$previous\" = {first} ]; then COMPREPLY=($(compgen -W \"{words}\" -- \
                 \"$current\")); return; fi"
            );
            bash_verb(verb, &mut text);
        }
    }
    text += "    esac\n}\ncomplete -F _keelctl keelctl\n";
    text
}

fn bash_verb(verb: &Verb, text: &mut String) {
    for flag in verb.all_flags().filter(|flag| flag.value.is_some()) {
        let spelling = match flag.short {
            Some(short) => format!("--{}|-{short}", flag.long),
            None => format!("--{}", flag.long),
        };
        let reply = bash_reply(flag.completes);
        let _ = writeln!(text, "        case $previous in {spelling}) {reply}; return ;; esac");
    }
    let flags: Vec<String> = verb.all_flags().map(|flag| format!("--{}", flag.long)).collect();
    let _ = writeln!(
        text,
        "        case $current in -*) COMPREPLY=($(compgen -W \"{}\" -- \"$current\")); return ;; esac",
        flags.join(" ")
    );
    let _ = writeln!(text, "        {}\n        ;;", bash_reply(verb.completes));
}

fn bash_reply(completes: Completes) -> String {
    match completes {
        Completes::Nothing => "COMPREPLY=()".to_owned(),
        Completes::Files => "COMPREPLY=($(compgen -f -- \"$current\"))".to_owned(),
        Completes::Units => {
            format!("COMPREPLY=($(compgen -W \"$({ASK_UNITS})\" -- \"$current\"))")
        }
        Completes::Words(words) => {
            format!("COMPREPLY=($(compgen -W \"{}\" -- \"$current\"))", words.join(" "))
        }
    }
}

fn zsh() -> String {
    let mut text = String::from(
        "#compdef keelctl\n# keelctl completions for zsh: put this file as _keelctl into a directory of $fpath\n\
         _keelctl_units() { compadd -- ${(f)\"$(",
    );
    text += ASK_UNITS;
    text += ")\"} }\n_keelctl() {\n    local context state line\n    _arguments -C '1: :->verb' '*:: :->rest'\n    \
             case $state in\n    verb)\n        local -a verbs=(\n";
    for word in first_words() {
        let summary = verb::find(word).map_or("one of several verbs", |verb| verb.summary);
        let _ = writeln!(text, "            '{word}:{}'", quoted(summary));
    }
    text += "        )\n        _describe verb verbs\n        ;;\n    rest)\n        case $line[1] in\n";
    for verb in verb::all().filter(|verb| !verb.name.contains(' ')) {
        let _ = writeln!(text, "        {})\n            _arguments \\", verb.name);
        zsh_verb(verb, &mut text);
    }
    for first in first_words().into_iter().filter(|word| verb::find(word).is_none()) {
        let words = members(first).join(" ");
        let _ = writeln!(
            text,
            "        {first})\n            _arguments '1:verb:({words})' '*:unit:_keelctl_units'\n            ;;"
        );
    }
    text += "        esac\n        ;;\n    esac\n}\n_keelctl \"$@\"\n";
    text
}

fn zsh_verb(verb: &Verb, text: &mut String) {
    for flag in verb.all_flags() {
        let help = quoted(flag.help).replace(['[', ']'], "");
        let value = match flag.value {
            Some(value) => format!(":{value}:{}", zsh_action(flag.completes)),
            None => String::new(),
        };
        let long = if flag.value.is_some() { "=" } else { "" };
        let _ = writeln!(text, "                '--{}{long}[{help}]{value}' \\", flag.long);
        if let Some(short) = flag.short {
            let _ = writeln!(text, "                '-{short}[{help}]{value}' \\");
        }
    }
    let _ = writeln!(
        text,
        "                '*:{}:{}'\n            ;;",
        quoted(if verb.operands.is_empty() { "nothing" } else { verb.operands }),
        zsh_action(verb.completes)
    );
}

fn zsh_action(completes: Completes) -> String {
    match completes {
        Completes::Nothing => " ".to_owned(),
        Completes::Files => "_files".to_owned(),
        Completes::Units => "_keelctl_units".to_owned(),
        Completes::Words(words) => format!("({})", words.join(" ")),
    }
}

fn fish() -> String {
    let mut text = String::from(
        "# keelctl completions for fish: keelctl completions fish > ~/.config/fish/completions/keelctl.fish\n\
         complete -c keelctl -f\n",
    );
    for word in first_words() {
        let summary = verb::find(word).map_or("one of several verbs", |verb| verb.summary);
        let _ = writeln!(
            text,
            "complete -c keelctl -n __fish_use_subcommand -a {word} -d '{}'",
            quoted(summary)
        );
    }
    for first in first_words().into_iter().filter(|word| verb::find(word).is_none()) {
        let words = members(first).join(" ");
        let _ = writeln!(
            text,
            "complete -c keelctl -n '__fish_seen_subcommand_from {first}' -a '{words} ({ASK_UNITS})'"
        );
    }
    for verb in verb::all().filter(|verb| !verb.name.contains(' ')) {
        let seen = format!("-n '__fish_seen_subcommand_from {}'", verb.name);
        for flag in verb.flags {
            fish_flag(&seen, flag, &mut text);
        }
        if let Some(list) = fish_list(verb.completes) {
            let _ = writeln!(text, "complete -c keelctl {seen} {list}");
        }
    }
    for flag in GLOBAL_FLAGS {
        fish_flag("", flag, &mut text);
    }
    text
}

fn fish_flag(seen: &str, flag: &Flag, text: &mut String) {
    let short = flag.short.map_or(String::new(), |short| format!(" -s {short}"));
    let value = match (flag.value, fish_list(flag.completes)) {
        (None, _) => String::new(),
        (Some(_), Some(list)) => format!(" -r {list}"),
        (Some(_), None) => " -r".to_owned(),
    };
    let help = quoted(flag.help);
    let _ = writeln!(text, "complete -c keelctl {seen} -l {}{short}{value} -d '{help}'", flag.long);
}

fn fish_list(completes: Completes) -> Option<String> {
    match completes {
        Completes::Nothing => None,
        Completes::Files => Some("-F".to_owned()),
        Completes::Units => Some(format!("-a '({ASK_UNITS})'")),
        Completes::Words(words) => Some(format!("-a '{}'", words.join(" "))),
    }
}

/// For between single quotes, and without the colons that zsh gives a meaning.
fn quoted(text: &str) -> String {
    text.replace('\'', "").replace(':', ",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// The shell itself says whether it can read the script; shells that are not here are passed over.
    #[test]
    fn shells_can_read_them() {
        for (shell, arguments) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
            let script = script(shell).unwrap();
            assert!(script.contains("restart"));
            let started =
                Command::new(shell).arg(arguments).arg("/dev/stdin").stdin(Stdio::piped()).spawn();
            let Ok(mut child) = started else { continue };
            child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "{shell} cannot read its completions");
        }
    }

    /// What bash offers for a line, asked from bash itself.
    fn offered(line: &[&str]) -> String {
        let words: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
        let test = format!(
            "{}\nkeelctl() {{ echo web.service; echo db.service; }}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_keelctl\n\
             echo \"${{COMPREPLY[*]}}\"",
            bash(),
            words.join(" "),
            line.len() - 1
        );
        let output = Command::new("bash").arg("-c").arg(test).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn bash_offers_what_fits() {
        if Command::new("bash").arg("-c").arg("true").status().is_err() {
            return;
        }
        assert_eq!(offered(&["keelctl", "rest"]), "restart");
        assert_eq!(offered(&["keelctl", "restart", "w"]), "web.service");
        assert_eq!(offered(&["keelctl", "logs", "--fol"]), "--follow");
        assert_eq!(offered(&["keelctl", "unit", "s"]), "show");
        assert_eq!(offered(&["keelctl", "logs", "--output", "j"]), "json");
    }
}
