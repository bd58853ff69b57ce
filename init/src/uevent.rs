//! One message of the kernel about a device (`lib/kobject_uevent.c`): `ACTION@DEVPATH`, then
//! `KEY=value` fields, each ended by a zero byte. Bytes in, values out.

/// What happened to a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uevent {
    /// What happened.
    pub action: Action,
    /// The device's place below `/sys`.
    pub devpath: Box<str>,
    /// `block`, `net`, `pci`, …
    pub subsystem: Box<str>,
    /// What the kernel would load a module for.
    pub modalias: Option<Box<str>>,
    /// The device's name below `/dev`.
    pub devname: Option<Box<str>>,
    /// `disk` or `partition`, for block devices.
    pub devtype: Option<Box<str>>,
    /// The partition's own name, for partitions of a GPT.
    pub partname: Option<Box<str>>,
    /// The interface's name, for network devices.
    pub interface: Option<Box<str>>,
    /// The message's number, to see whether any was lost.
    pub number: u64,
}

/// The kernel's words for what happens to devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Action {
    /// It is there.
    Add,
    /// It is gone.
    Remove,
    /// Something about it is different.
    #[default]
    Change,
    /// It has another name.
    Move,
    /// A driver took it.
    Bind,
    /// Its driver left it.
    Unbind,
    /// It may be used again.
    Online,
    /// It may not be used for now.
    Offline,
}

impl Uevent {
    /// Parses one datagram; `None` for what is not of the kernel's format (udev's own messages begin
    /// with `libudev`).
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Uevent> {
        let mut fields = datagram.split(|byte| *byte == 0);
        let (action, devpath) = text(fields.next()?)?.split_once('@')?;
        let mut event =
            Uevent { action: Action::parse(action)?, devpath: devpath.into(), ..Uevent::default() };
        for (key, value) in fields.filter_map(|field| text(field)?.split_once('=')) {
            event.take(key, value);
        }
        Some(event)
    }

    /// Parses the `uevent` file of a device in `/sys`: the same fields, one a line.
    #[must_use]
    pub fn parse_file(devpath: &str, content: &str) -> Uevent {
        let mut event =
            Uevent { action: Action::Add, devpath: devpath.into(), ..Uevent::default() };
        for (key, value) in content.lines().filter_map(|line| line.split_once('=')) {
            event.take(key, value);
        }
        event
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "SUBSYSTEM" => self.subsystem = value.into(),
            "MODALIAS" => self.modalias = Some(value.into()),
            "DEVNAME" => self.devname = Some(value.into()),
            "DEVTYPE" => self.devtype = Some(value.into()),
            "PARTNAME" => self.partname = Some(value.into()),
            "INTERFACE" => self.interface = Some(value.into()),
            "SEQNUM" => self.number = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

impl Action {
    fn parse(word: &str) -> Option<Action> {
        Some(match word {
            "add" => Action::Add,
            "remove" => Action::Remove,
            "change" => Action::Change,
            "move" => Action::Move,
            "bind" => Action::Bind,
            "unbind" => Action::Unbind,
            "online" => Action::Online,
            "offline" => Action::Offline,
            _ => return None,
        })
    }
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart() {
        let event = Uevent::parse(
            b"add@/devices/pci0000:00/0000:00:04.0/virtio1/block/vda\0ACTION=add\0\
              DEVPATH=/devices/x\0SUBSYSTEM=block\0MAJOR=254\0DEVNAME=vda\0DEVTYPE=disk\0SEQNUM=712\0",
        )
        .unwrap();
        assert_eq!(event.action, Action::Add);
        assert_eq!(&*event.subsystem, "block");
        assert_eq!(event.devname.as_deref(), Some("vda"));
        assert_eq!(event.number, 712);
    }

    #[test]
    fn what_is_not_the_kernels_is_refused() {
        assert_eq!(Uevent::parse(b"libudev\0\xfe\xed\xca\xfe"), None);
        assert_eq!(Uevent::parse(b""), None);
        assert_eq!(Uevent::parse(b"add"), None);
        assert_eq!(Uevent::parse(b"jump@/x\0"), None);
        assert!(Uevent::parse(b"add@/x\0\xff\xff=1\0NOEQUAL\0").is_some());
    }

    #[test]
    fn a_devices_file_reads_like_its_message() {
        let event =
            Uevent::parse_file("/class/block/vda1", "MAJOR=254\nDEVNAME=vda1\nPARTNAME=a b\n");
        assert_eq!(event.partname.as_deref(), Some("a b"));
    }
}
