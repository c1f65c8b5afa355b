//! F30: the name of the endpoint leads to nobody, or has no address at all.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};

use crate::scene::{Line, Scene, Test};

/// Where the endpoint is, and where nobody is.
const RIGHT: Ipv4Addr = Ipv4Addr::LOCALHOST;
const WRONG: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub fn tests() -> [(&'static str, Box<Test>); 2] {
    [("F30_no_address_at_start", Box::new(no_address)), ("F30_wrong_address", Box::new(wrong_address))]
}

fn no_address(scene: &Scene, line: &Line) -> Result<()> {
    let names = line.names.as_ref().context("the line has a name server")?;
    line.offer(1);
    line.keeps(scene, None, 2)?;
    ensure!(line.endpoint.requests() == 0, "the endpoint cannot be found");
    names.say(Some(RIGHT));
    line.wait_for(scene, 1)?;
    ensure!(line.was_told("unreachable"), "{:?}", line.endpoint.statuses().first());
    Ok(())
}

fn wrong_address(scene: &Scene, line: &Line) -> Result<()> {
    let names = line.names.as_ref().context("the line has a name server")?;
    names.say(Some(RIGHT));
    line.offer(1);
    line.wait_for(scene, 1)?;
    names.say(Some(WRONG));
    // The poll that was under way ends, and later ones go astray.
    line.keeps(scene, Some(1), 7)?;
    let requests = line.endpoint.requests();
    line.offer(2);
    line.keeps(scene, Some(1), 2)?;
    ensure!(line.endpoint.requests() == requests, "the endpoint was found all the same");
    // What was found last stays when nothing is found any more, right or wrong.
    names.say(None);
    line.keeps(scene, Some(1), 1)?;
    names.say(Some(RIGHT));
    line.wait_for(scene, 2)?;
    ensure!(line.was_told("unreachable"), "{:?}", line.endpoint.statuses().last());
    Ok(())
}
