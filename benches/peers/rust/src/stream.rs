//! Echo and broadcast for every library whose connection is a `Stream` and a `Sink` of messages.
//!
//! Echo takes what is ready, answers it and writes once: what `StreamExt::forward` does for libraries that leave writing
//! to the caller, done so that it works for those too that write whenever they are asked for a message, and without the
//! lock that splitting a connection for `forward` would bring.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Setup;

/// Messages that are answered with one write at most.
const BATCH: usize = 32;

/// Who receives what anybody sends.
pub(crate) struct Hub<M>(Mutex<Vec<UnboundedSender<M>>>);

impl<M> Default for Hub<M> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<M: Clone> Hub<M> {
    fn subscribe(&self) -> UnboundedReceiver<M> {
        let (sender, receiver) = unbounded_channel();
        self.0.lock().unwrap().push(sender);
        receiver
    }

    fn publish(&self, message: &M) {
        self.0.lock().unwrap().retain(|subscriber| subscriber.send(message.clone()).is_ok());
    }
}

impl<M: Clone> Setup<M> {
    /// Serves a connection as the options want it. `is_data` tells text and binary messages from the others.
    pub async fn talk<W, E>(&self, mut ws: W, is_data: fn(&M) -> bool)
    where
        W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    {
        // An error is the end of a connection, mostly one that the client has cut.
        let _ = if self.broadcast {
            let mut inbox = self.hub.subscribe();
            poll_fn(|cx| self.poll_broadcast(Pin::new(&mut ws), &mut inbox, is_data, cx)).await
        } else {
            let mut batch = VecDeque::new();
            poll_fn(|cx| poll_echo(Pin::new(&mut ws), &mut batch, is_data, cx)).await
        };
    }

    fn poll_broadcast<W, E>(
        &self,
        mut ws: Pin<&mut W>,
        inbox: &mut UnboundedReceiver<M>,
        is_data: fn(&M) -> bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), E>>
    where
        W: Stream<Item = Result<M, E>> + Sink<M, Error = E>,
    {
        while let Poll::Ready(next) = ws.as_mut().poll_next(cx) {
            match next.transpose()? {
                Some(message) if is_data(&message) => self.hub.publish(&message),
                Some(_) => {}
                None => return Poll::Ready(Ok(())),
            }
        }
        loop {
            ready!(ws.as_mut().poll_ready(cx))?;
            let Poll::Ready(Some(message)) = inbox.poll_recv(cx) else { break };
            ws.as_mut().start_send(message)?;
        }
        ready!(ws.poll_flush(cx))?;
        Poll::Pending
    }
}

fn poll_echo<W, M, E>(
    mut ws: Pin<&mut W>,
    batch: &mut VecDeque<M>,
    is_data: fn(&M) -> bool,
    cx: &mut Context<'_>,
) -> Poll<Result<(), E>>
where
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E>,
{
    loop {
        while !batch.is_empty() {
            ready!(ws.as_mut().poll_ready(cx))?;
            ws.as_mut().start_send(batch.pop_front().expect("it is not empty"))?;
        }
        ready!(ws.as_mut().poll_flush(cx))?;
        while batch.len() < BATCH {
            match ws.as_mut().poll_next(cx)? {
                Poll::Ready(Some(message)) if is_data(&message) => batch.push_back(message),
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
    }
}
