//! The names that expressions may use, as data.

use super::types::Type;

/// The names, each with its type and what it stands for. A name with dots is a field of something that is no value itself.
#[derive(Debug)]
pub(crate) struct Environment<V> {
    names: Vec<(String, Shape, V)>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A value of this type.
    Value(Type),
    /// Texts by their names, of which one is asked for at a time: nobody can list them.
    Texts,
}

impl<V> Environment<V> {
    pub(crate) const fn new() -> Self {
        Self { names: Vec::new() }
    }

    pub(crate) fn declare(&mut self, name: impl Into<String>, shape: Shape, variable: V) {
        self.names.push((name.into(), shape, variable));
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.names.iter().map(|(name, shape, _)| (name.as_str(), shape))
    }

    pub(super) fn find(&self, path: &str) -> Option<(&Shape, &V)> {
        self.names.iter().find(|(name, ..)| name == path).map(|(_, shape, variable)| (shape, variable))
    }

    /// The fields of what is no value itself; none if there is no such name.
    pub(super) fn fields(&self, path: &str) -> Vec<&str> {
        let field = |name: &'_ str| name.strip_prefix(path)?.strip_prefix('.').map(str::len);
        let names = self.names.iter().map(|(name, ..)| name.as_str());
        names.filter_map(|name| name.get(name.len().saturating_sub(field(name)?)..)).collect()
    }

    /// What a name without dots can be, each once.
    pub(super) fn roots(&self) -> Vec<&str> {
        let mut roots = Vec::new();
        for (name, ..) in &self.names {
            let root = name.split('.').next().unwrap_or(name);
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }
}
