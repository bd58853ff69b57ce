//! The spec of one connection's service, made from that of its template without reading files.

use crate::compact::List;
use crate::execution::{Credential, Execution, Input, Output};
use crate::name::UnitName;
use crate::service::{Argument, Command, Service};
use crate::spec::{Body, CONNECTION_INSTANCE, Spec};

impl Spec {
    /// The spec of `prefix@instance.service`, when this is the spec of `prefix@.service` as
    /// [`crate::load`] makes it for an `Accept=yes` socket. `None` when it is none, or the name
    /// would be too long.
    #[must_use]
    pub fn for_connection(&self, instance: &str) -> Option<Spec> {
        if !self.name.is_template() {
            return None;
        }
        let name = format!("{}@{instance}.{}", self.name.prefix(), self.name.kind().suffix());
        let mut spec = self.clone();
        spec.name = UnitName::new(&name).ok()?;
        let put = Put { instance };
        put.text(&mut spec.description);
        for relation in &mut spec.relations {
            put.name(&mut relation.unit);
        }
        for condition in &mut spec.conditions {
            put.text(&mut condition.argument);
        }
        if let Body::Service(service) = &mut spec.body {
            put.service(service);
        }
        Some(spec)
    }
}

/// Puts an instance where its stand-in is.
struct Put<'a> {
    instance: &'a str,
}

impl Put<'_> {
    fn text(&self, text: &mut Box<str>) {
        if text.contains(CONNECTION_INSTANCE) {
            *text = text.replace(CONNECTION_INSTANCE, self.instance).into();
        }
    }

    fn texts<'t>(&self, texts: impl IntoIterator<Item = &'t mut Box<str>>) {
        texts.into_iter().for_each(|text| self.text(text));
    }

    fn name(&self, name: &mut UnitName) {
        if name.as_str().contains(CONNECTION_INSTANCE) {
            let full = name.as_str().replace(CONNECTION_INSTANCE, self.instance);
            if let Ok(full) = UnitName::new(&full) {
                *name = full;
            }
        }
    }

    fn service(&self, service: &mut Service) {
        let commands = &mut service.commands;
        for list in [
            &mut commands.condition,
            &mut commands.start_pre,
            &mut commands.start,
            &mut commands.start_post,
            &mut commands.reload,
            &mut commands.stop,
            &mut commands.stop_post,
        ] {
            self.commands(list);
        }
        // Only what is said is looked at: as usual it stays one word.
        if service.execution != crate::compact::Rare::default() {
            self.execution(&mut service.execution);
        }
    }

    fn commands(&self, list: &mut List<Command>) {
        for command in list {
            self.text(&mut command.program);
            for argument in &mut command.arguments {
                match argument {
                    Argument::Literal(text) | Argument::Expand(text) | Argument::Split(text) => {
                        self.text(text);
                    }
                }
            }
        }
    }

    fn execution(&self, execution: &mut Execution) {
        self.texts(&mut execution.user);
        self.texts(&mut execution.group);
        self.texts(&mut execution.working_directory);
        self.texts(&mut execution.root_directory);
        self.texts(&mut execution.tty_path);
        self.texts(&mut execution.log_name);
        self.texts(execution.environment.iter_mut().map(|(_, value)| value));
        self.texts(execution.environment_files.iter_mut().map(|file| &mut file.path));
        self.texts(execution.directories.iter_mut().map(|own| &mut own.path));
        for credential in &mut execution.credentials {
            match credential {
                Credential::File { path, .. } => self.text(path),
                Credential::Literal { value, .. } => self.text(value),
            }
        }
        if let Input::File(text) | Input::Bytes(text) | Input::Descriptor(text) =
            &mut execution.stdin
        {
            self.text(text);
        }
        for output in [&mut execution.stdout, &mut execution.stderr] {
            if let Output::File(text) | Output::Append(text) | Output::Truncate(text) = output {
                self.text(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::source::{LoadOptions, SourceFile};
    use crate::spec::RelationKind;

    const SOCKET: &[u8] = b"[Socket]\nListenStream=7\nAccept=yes\n";
    const SERVICE: &[u8] = b"[Unit]\nDescription=For %i\nAfter=log@%i.service\n[Service]\n\
        ExecStart=/e %i %n ${X}%i\nEnvironment=WHO=%i\nStandardOutput=append:/var/log/%i\n";
    const LOG: &[u8] = b"[Service]\nExecStart=/l\n";

    #[test]
    fn as_if_it_had_been_read() {
        let files = [
            SourceFile::regular("/etc/systemd/system/e.socket", SOCKET),
            SourceFile::regular("/etc/systemd/system/e@.service", SERVICE),
            SourceFile::regular("/etc/systemd/system/log@.service", LOG),
        ];
        let load = |wanted: &[&str]| {
            let wanted = wanted.iter().map(|name| crate::UnitName::new(name).unwrap()).collect();
            crate::load(&files, &LoadOptions { wanted, ..LoadOptions::default() }).specs
        };
        let find = |specs: &[crate::Spec], name: &str| {
            specs.iter().find(|spec| spec.name.as_str() == name).cloned().unwrap()
        };
        let made = find(&load(&[]), "e@.service").for_connection("1-2.3.4.5:6").unwrap();
        let read = find(&load(&["e@1-2.3.4.5:6.service"]), "e@1-2.3.4.5:6.service");
        assert_eq!(made, read);
        assert!(made.related(RelationKind::After).any(|u| u.as_str() == "log@1-2.3.4.5:6.service"));
        assert!(made.for_connection("x").is_none(), "it is no template any more");
    }
}
