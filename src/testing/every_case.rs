//! The macro that makes a test of each case.

/// Defines a module with one `#[test]` for each case of the suite.
///
/// The first argument is the name of the module, so that a test is called `memory::create_refuses_to_replace_a_file`. The second is
/// an expression that returns a [`Fixture`](crate::testing::Fixture). Each test evaluates it once.
///
/// ```no_run
/// # struct MyFixture;
/// # #[async_trait::async_trait]
/// # impl f9::testing::Fixture for MyFixture {
/// #     async fn backend(&self) -> std::sync::Arc<dyn f9::AsyncFileBackend> {
/// #         std::sync::Arc::new(f9::MemoryFileBackend::new())
/// #     }
/// # }
/// f9::testing::every_case!(my_store, MyFixture);
/// # fn main() {}
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __every_case {
    ($module:ident, $fixture:expr) => {
        mod $module {
            #[allow(
                unused_imports,
                clippy::wildcard_imports,
                reason = "the fixture expression may use any name in scope"
            )]
            use super::*;

            $crate::__with_all_cases!([$crate::__tests] { $fixture });
        }
    };
}

/// Expands to one test for each case.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    (
        { $fixture:expr }
        $($topic:ident { $($case:ident $(. $method:ident $capabilities:tt)*;)* })*
    ) => {
        $($(
            #[test]
            fn $case() {
                let case = $crate::__case!($topic $case $(. $method $capabilities)*);
                $crate::testing::run(case, $fixture);
            }
        )*)*
    };
}
