//! Rewrites a tree into one whose pipelines are calls of numbered steps.

use std::sync::Arc;

use gotmpl::parse::{
    ActionNode, BranchNode, CommandNode, Expr, ListNode, Node, Number, PipeNode, Pos, SmolStr,
    TemplateNode,
};

use super::super::error::{ErrorKind, TemplateError};
use super::super::parse::Source;
use super::{Action, Places, Step};

/// Turns trees into trees of calls.
pub(super) struct Rewriter {
    pub(super) source: Arc<Source>,
    pub(super) level: usize,
    pub(super) steps: Vec<Step>,
    pub(super) places: Places,
}

impl Rewriter {
    fn mark(&mut self, pos: Pos) -> Pos {
        self.places.mark(&self.source, pos)
    }

    fn step(&mut self, pos: Pos, action: Action) -> CommandNode {
        let number = i64::try_from(self.steps.len()).unwrap_or(i64::MAX);
        self.steps.push(Step {
            source: Arc::clone(&self.source),
            level: self.level,
            action,
        });
        CommandNode {
            pos,
            args: vec![
                Expr::Identifier(pos, SmolStr::new_static("call")),
                Expr::Variable(pos, SmolStr::new_static("$"), Vec::new()),
                Expr::Number(pos, Number::Int(number)),
            ],
        }
    }

    fn pipe(&mut self, pos: Pos, action: Action) -> PipeNode {
        PipeNode {
            pos,
            decl: Vec::new(),
            commands: vec![self.step(pos, action)],
            is_assign: false,
        }
    }

    /// A step that writes nothing.
    fn silent(&mut self, pos: Pos, action: Action) -> Node {
        let mut pipe = self.pipe(pos, action);
        pipe.decl.push(SmolStr::new_static("$_"));
        Node::Action(ActionNode { pos, pipe })
    }

    pub(super) fn list(&mut self, list: &ListNode) -> Result<ListNode, TemplateError> {
        let mut nodes = Vec::with_capacity(list.nodes.len());
        for node in &list.nodes {
            self.node(node, &mut nodes)?;
        }
        Ok(ListNode {
            pos: list.pos,
            nodes,
        })
    }

    fn node(&mut self, node: &Node, nodes: &mut Vec<Node>) -> Result<(), TemplateError> {
        match node {
            Node::Text(_) => nodes.push(node.clone()),
            Node::Break(pos) => nodes.push(Node::Break(self.mark(*pos))),
            Node::Continue(pos) => nodes.push(Node::Continue(self.mark(*pos))),
            Node::Define(_) => {}
            Node::List(list) => nodes.push(Node::List(self.list(list)?)),
            Node::Action(action) if !action.pipe.decl.is_empty() => {
                nodes.push(self.silent(action.pos, Action::Value(action.pipe.clone())));
            }
            Node::Action(action) => {
                let (pipe, escaper) = self.predefined(&action.pipe)?;
                let pos = self.mark(action.pos);
                let mut pipe = self.pipe(pos, Action::Value(pipe));
                if let Some(name) = escaper {
                    pipe.commands.push(CommandNode {
                        pos,
                        args: vec![Expr::Identifier(pos, name)],
                    });
                }
                nodes.push(Node::Action(ActionNode { pos, pipe }));
            }
            Node::If(branch) | Node::With(branch) => {
                let with = matches!(node, Node::With(_));
                let pipe = branch.pipe.clone();
                let opened = self.pipe(branch.pos, Action::Choose { pipe, with });
                let rewritten = self.branch(branch, opened, false)?;
                nodes.push(Node::If(rewritten));
                nodes.push(self.silent(branch.pos, Action::Close));
            }
            Node::Range(branch) => {
                let opened = self.pipe(branch.pos, Action::Range(Box::new(branch.clone())));
                let rewritten = self.branch(branch, opened, true)?;
                nodes.push(Node::Range(rewritten));
                nodes.push(self.silent(branch.pos, Action::Close));
            }
            Node::Template(call) => {
                nodes.push(self.silent(call.pos, Action::Call(call.clone())));
                let state = Expr::Variable(call.pos, SmolStr::new_static("$"), Vec::new());
                let pipe = PipeNode {
                    pos: call.pos,
                    decl: Vec::new(),
                    commands: vec![CommandNode {
                        pos: call.pos,
                        args: vec![state],
                    }],
                    is_assign: false,
                };
                nodes.push(Node::Template(TemplateNode {
                    pos: self.mark(call.pos),
                    name: call.name.clone(),
                    pipe: Some(pipe),
                }));
                nodes.push(self.silent(call.pos, Action::Return));
            }
        }
        Ok(())
    }

    fn branch(
        &mut self,
        branch: &BranchNode,
        pipe: PipeNode,
        loops: bool,
    ) -> Result<BranchNode, TemplateError> {
        let pos = self.mark(branch.pos);
        let next = loops.then(|| self.silent(branch.pos, Action::Next));
        self.level += 1;
        let mut body = self.list(&branch.body)?;
        let else_body = branch
            .else_body
            .as_ref()
            .map(|list| self.list(list))
            .transpose()?;
        self.level -= 1;
        if let Some(next) = next {
            body.nodes.insert(0, next);
        }
        Ok(BranchNode {
            pos,
            pipe,
            body,
            else_body,
        })
    }

    /// Splits off `html` or `urlquery` at the end of a pipeline, which the escaping pass wants to see: it merges them
    /// with its own escapers. Elsewhere in a pipeline they are an error.
    fn predefined(&self, pipe: &PipeNode) -> Result<(PipeNode, Option<SmolStr>), TemplateError> {
        let mut pipe = pipe.clone();
        let last = pipe.commands.len().saturating_sub(1);
        let mut escaper = None;
        for (index, command) in pipe.commands.iter_mut().enumerate() {
            if let Some(Expr::Identifier(pos, name)) = command.args.first_mut()
                && matches!(name.as_str(), "html" | "urlquery")
            {
                if index != last {
                    let message = format!(
                        "predefined escaper {:?} disallowed in template",
                        name.as_str()
                    );
                    return Err(self.source.error(pos.offset, ErrorKind::Parse, message));
                }
                // Its arguments become one text, as the escaper would make them.
                escaper = Some(std::mem::replace(name, SmolStr::new_static("print")));
            }
        }
        Ok((pipe, escaper))
    }
}
