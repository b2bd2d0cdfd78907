//! The span of a creation.

use super::seen::KeyText;

/// The span in which a creator runs. Without the feature `tracing` it is nothing.
#[derive(Debug, Clone)]
pub(crate) struct SpanOfCreation {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl SpanOfCreation {
    #[cfg(feature = "tracing")]
    pub(super) fn new(region: &str, key: &(impl KeyText + ?Sized)) -> SpanOfCreation {
        // The fields are made only if the span is enabled: the macro does that.
        let key = || Some(key.text()).filter(|key| !key.is_empty());
        let span = tracing::debug_span!(target: "dogpile_cache", "creation", region, key = key().as_deref());
        SpanOfCreation { span }
    }

    #[cfg(not(feature = "tracing"))]
    pub(super) fn new(_: &str, _: &(impl KeyText + ?Sized)) -> SpanOfCreation {
        SpanOfCreation {}
    }

    /// Runs a part of the creator in the span: a blocking creator, one poll of a future, or its drop. The span is not
    /// entered between two polls, when the thread does other things.
    #[inline]
    pub(crate) fn in_scope<R>(&self, part: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        #[cfg(not(feature = "tracing"))]
        let Self {} = self;
        part()
    }
}
