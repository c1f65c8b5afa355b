//! Questions to authorization servers, and the exchanges that wait for the answers.
//!
//! One question is asked once, however many requests want the answer; it is asked by the root context, because a client
//! that goes away takes its request's calls with it, and others may be waiting. Both are bounded: a stranger can make
//! questions.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use authz::{Authorizer, Introspection};

use crate::exchange::Exchange;
use crate::host::{self, HostError};

/// Most questions that are open at a time, in each worker.
const MAX_OPEN: usize = 64;

/// Most exchanges that wait, in each worker.
const MAX_WAITING: usize = 1024;

/// All open questions of a plugin in one worker.
#[derive(Clone, Default)]
pub(crate) struct Callouts(Rc<RefCell<Vec<Question>>>);

struct Question {
    /// Whose question it is: each revision has its own answers.
    authorizer: Rc<Authorizer>,
    introspection: Introspection,
    /// The host's token for the call; none while it is not sent.
    call: Option<u32>,
    waiting: Vec<Weak<Exchange>>,
}

impl Callouts {
    /// Lets an exchange wait for an answer. An error if there is no room.
    pub(crate) fn wait(
        &self,
        authorizer: &Rc<Authorizer>,
        introspection: Introspection,
        exchange: &Rc<Exchange>,
    ) -> Result<(), HostError> {
        let mut questions = self.0.try_borrow_mut().map_err(|_| HostError)?;
        let waiting = questions.iter().map(|question| question.waiting.len()).fold(0, usize::saturating_add);
        if waiting >= MAX_WAITING {
            return Err(HostError);
        }
        let same = questions.iter_mut().find(|question| {
            Rc::ptr_eq(&question.authorizer, authorizer) && question.introspection.is_same_as(&introspection)
        });
        if let Some(question) = same {
            question.waiting.push(Rc::downgrade(exchange));
            return Ok(());
        }
        if questions.len() >= MAX_OPEN {
            return Err(HostError);
        }
        // The next tick belongs to the root context.
        host::set_tick_period_milliseconds(1)?;
        let waiting = vec![Rc::downgrade(exchange)];
        questions.push(Question { authorizer: Rc::clone(authorizer), introspection, call: None, waiting });
        Ok(())
    }

    /// Sends the questions that are not sent yet. To be called in the root context.
    pub(crate) fn send(&self) {
        // Should this fail, the next tick finds nothing to do.
        let _ = host::set_tick_period_milliseconds(0);
        let Ok(mut questions) = self.0.try_borrow_mut() else { return };
        for question in questions.iter_mut().filter(|question| question.call.is_none()) {
            question.call = host::dispatch(&question.introspection).ok();
        }
        let unsent: Vec<_> = questions.extract_if(.., |question| question.call.is_none()).collect();
        drop(questions);
        unsent.into_iter().for_each(|question| question.answer(None));
    }

    /// Takes the answer to a call, and lets those go on who wait for it. To be called in the root context.
    pub(crate) fn answered(&self, call: u32, body_bytes: usize) {
        let Ok(mut questions) = self.0.try_borrow_mut() else { return };
        let question = questions.extract_if(.., |question| question.call == Some(call)).next();
        drop(questions);
        if let Some(question) = question {
            let response = host::call_response(body_bytes).ok().flatten();
            question.answer(response.as_ref());
        }
    }
}

impl Question {
    /// Tells the answer to the authorizer, which asks nobody twice, and lets the exchanges go on.
    fn answer(self, response: Option<&host::CallResponse>) {
        if let Ok(now) = host::now() {
            let response = response.map(host::CallResponse::introspection);
            self.authorizer.introspected(&self.introspection, response, now);
        }
        for exchange in self.waiting.iter().filter_map(Weak::upgrade) {
            exchange.resume();
        }
    }
}
