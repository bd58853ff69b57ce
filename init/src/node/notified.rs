//! Notifications of units: matched with their descriptors, handed to the supervisor.

use units::event::{Notification, Sender};
use units::run::{Role, Run};

use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::notify;

impl Node {
    pub(super) fn on_notified(
        &mut self,
        run: Run,
        role: Option<Role>,
        text: &[u8],
        descriptors: &[u32],
        out: &mut Outbox,
    ) {
        let said = match notify::parse(text) {
            Ok(said) => said,
            Err(_) => return drop_all(descriptors, out),
        };
        let sender = match role {
            Some(Role::Main) => Sender::Main,
            Some(Role::Control) => Sender::Control,
            None => Sender::Other,
        };
        let offered = match said.store {
            Some(store) => descriptors
                .iter()
                .map(|number| Notification::StoreDescriptor {
                    number: *number,
                    name: store.name.clone(),
                    poll: store.poll,
                })
                .collect(),
            None => {
                // A barrier is passed by closing its descriptor: everything before it in the socket
                // was told to us before, since datagrams keep their order.
                drop_all(descriptors, out);
                Vec::new()
            }
        };
        for notification in said.notifications.into_iter().chain(offered) {
            self.inbox.push_back(units::Event::Notified { run, sender, notification });
        }
    }
}

fn drop_all(descriptors: &[u32], out: &mut Outbox) {
    for number in descriptors {
        out.push(Action::Drop { number: *number });
    }
}
