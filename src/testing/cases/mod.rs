//! The cases by topic, and the one list of them.

#![allow(missing_docs, reason = "the name of each case is its documentation")]

use super::Case;

pub mod cancel;
pub mod capability;
pub mod checksum;
pub mod copy;
pub mod create;
pub mod delete;
pub mod glob;
pub mod info;
pub mod list;
pub mod names;
pub mod paths;
pub mod read;
pub mod rename;
pub mod session;
pub mod stream;
pub mod text;
pub mod update;

/// Hands the list of all cases to the macro `$then`, after its own `$arguments`. Each case stands with what a store needs for
/// it, as the methods of [`Case`](crate::testing::Case).
#[doc(hidden)]
#[macro_export]
macro_rules! __with_all_cases {
    ([$($then:tt)*] $($arguments:tt)*) => {
        $($then)*! {
            $($arguments)*
            names {
                every_name_is_a_file_name;
                every_name_is_a_directory_name;
                every_name_can_be_copied_renamed_and_deleted;
                a_directory_of_every_name_can_be_renamed_and_deleted;
                names_that_look_alike_are_different_files;
                spellings_of_one_path_are_one_file;
                a_trailing_slash_never_changes_the_meaning;
                a_name_may_have_up_to_255_bytes;
                a_path_may_have_up_to_1024_bytes;
                a_path_may_have_up_to_4096_bytes.needs(LongPaths);
            }
            paths {
                dot_dot_is_refused_by_every_verb;
                reserved_names_are_refused_by_every_verb;
                nul_and_over_long_names_are_refused_by_every_verb;
                the_root_is_refused_by_all_verbs_but_those_that_look;
            }
            create {
                create_makes_the_file_and_its_parents;
                content_of_every_size_comes_back_as_written;
                create_refuses_to_replace_a_file;
                create_refuses_to_replace_a_directory_in_every_mode;
                an_etag_matches_no_directory.needs(ConditionalWrite);
                create_below_a_file_is_refused;
                overwriting_creates_or_replaces_the_whole_content;
                a_matching_etag_replaces_the_file.needs(ConditionalWrite);
                a_stale_etag_leaves_the_file_as_it_is.needs(ConditionalWrite);
                an_etag_matches_no_missing_file.needs(ConditionalWrite);
                create_tells_what_the_file_became;
                every_overwrite_changes_the_etag.needs(ConditionalWrite);
                content_with_another_checksum_is_refused;
                of_racing_creators_exactly_one_wins.needs(ExclusiveCreate);
                racing_overwriters_never_tear_a_file;
                create_dir_makes_the_directory_and_its_parents.needs(EmptyDirectories);
                create_dir_refuses_an_existing_directory_unless_told.needs(EmptyDirectories);
                create_dir_refuses_a_file_in_every_mode;
                of_racing_makers_of_a_directory_exactly_one_wins.needs(ExclusiveCreate, EmptyDirectories);
            }
            update {
                update_replaces_the_content;
                update_needs_an_existing_file;
                every_update_changes_the_etag.needs(ConditionalWrite);
                update_compares_the_etag.needs(ConditionalWrite);
                appends_are_added_to_the_end.needs(Append);
                large_appends_are_whole.needs(Append);
                append_needs_an_existing_file.needs(Append);
                append_compares_the_etag.needs(ConditionalWrite, Append);
                concurrent_appends_are_whole_and_none_is_lost.needs(Append);
                a_counter_that_compares_etags_loses_no_increment.needs(ConditionalWrite);
            }
            read {
                chunks_are_full_but_for_the_last_and_never_empty;
                a_stream_may_have_chunks_of_one_byte_or_of_any_size;
                a_stream_has_whole_chunks_by_default_too;
                a_chunk_size_of_zero_is_refused;
                every_form_of_range_reads_that_part;
                a_range_over_chunk_borders_is_whole;
                a_range_that_starts_past_the_end_or_is_reversed_is_refused;
                an_empty_file_has_empty_ranges;
                reading_does_not_change_the_etag;
                read_compares_the_etag.needs(ConditionalWrite);
                only_an_existing_file_is_read;
                a_stream_shows_one_content_while_the_file_is_replaced;
                a_stream_can_be_dropped_half_way;
            }
            text {
                text_comes_back_as_written;
                no_character_is_split_at_a_chunk_border;
                what_is_not_text_is_refused_with_its_place;
            }
            delete {
                a_deleted_file_is_gone;
                only_what_exists_is_deleted;
                a_directory_with_entries_stays;
                an_empty_directory_is_deleted.needs(EmptyDirectories);
                a_directory_stays_when_its_last_entry_is_deleted.needs(LastingDirectories);
                recursive_deletion_takes_all_that_lies_below;
                recursive_deletion_takes_large_directories;
                names_that_begin_alike_stay;
            }
            info {
                info_tells_files_from_directories;
                info_needs_an_existing_entry;
                exists_is_false_only_for_what_is_not_found;
                the_modification_time_is_that_of_the_write;
                the_encoding_is_told_only_when_asked_for;
                the_checksum_is_told_only_when_asked_for;
                a_directory_has_neither_encoding_nor_checksum;
            }
            list {
                a_listing_is_in_byte_order_of_the_paths;
                a_recursive_listing_is_in_byte_order_of_the_paths;
                a_listing_tells_what_info_tells;
                only_an_existing_directory_is_listed;
                an_empty_store_lists_nothing;
                an_empty_directory_lists_nothing.needs(EmptyDirectories);
                a_large_directory_is_listed_in_full_and_in_order;
                many_directories_are_listed_in_full_and_in_order;
                entries_deleted_meanwhile_do_not_break_a_listing;
                a_directory_deleted_meanwhile_ends_its_listing;
                a_listing_can_be_dropped_half_way;
                a_listing_hides_what_f9_keeps_for_itself.needs(Sessions);
            }
            glob {
                a_pattern_finds_all_that_it_matches_in_order;
                a_pattern_finds_nothing_else;
                a_glob_can_be_for_files_or_for_directories;
                a_glob_agrees_with_its_pattern_on_every_path;
                an_invalid_pattern_is_refused;
                an_escaped_name_finds_itself_alone;
            }
            stream {
                streamed_content_of_every_size_comes_back_as_written;
                tiny_and_empty_pieces_make_one_file;
                a_streamed_write_follows_its_mode;
                a_streamed_write_compares_the_etag.needs(ConditionalWrite);
                an_etag_is_compared_when_the_write_is_published.needs(ConditionalWrite);
                what_is_created_meanwhile_is_not_replaced.needs(ExclusiveCreate);
                a_streamed_write_tells_what_the_file_became;
                a_new_file_is_invisible_before_its_last_byte;
                the_old_content_is_seen_until_the_last_byte;
                a_failing_source_leaves_the_old_content;
                a_failing_source_leaves_no_file_and_no_parents;
                a_source_of_another_length_than_declared_is_refused;
                an_endless_source_is_stopped_at_the_declared_size;
                a_streamed_content_with_another_checksum_is_refused;
                readers_are_sources_and_files_are_readers;
                a_file_can_be_streamed_into_another;
                the_error_of_a_reader_keeps_its_kind;
                racing_streams_never_tear_a_file;
                of_racing_streams_to_a_new_file_exactly_one_wins.needs(ExclusiveCreate);
            }
            checksum {
                every_checksum_is_that_of_the_content;
                a_checksum_is_of_an_existing_file;
                a_checksum_is_of_the_current_content;
                many_checksums_skip_the_missing_and_directories_alone;
                many_checksums_fail_for_any_other_reason;
                hundreds_of_checksums_run_at_once;
                verify_compares_the_content_with_a_checksum;
            }
            copy {
                a_copy_has_the_content_of_its_source;
                a_copy_and_its_source_change_independently;
                appending_to_a_copy_leaves_its_source.needs(Append);
                only_an_existing_file_is_copied;
                a_copy_replaces_nothing_unless_told;
                a_copy_compares_the_etag_of_its_target.needs(ConditionalWrite);
                a_copy_onto_itself_changes_nothing;
                of_racing_copies_to_one_target_exactly_one_wins.needs(ExclusiveCreate);
            }
            rename {
                a_renamed_file_is_at_its_new_path_alone;
                a_renamed_directory_takes_along_all_it_holds;
                only_what_exists_is_renamed;
                a_rename_replaces_nothing_unless_told;
                an_overwriting_rename_replaces_a_file;
                an_overwriting_rename_never_replaces_one_kind_by_another;
                an_overwriting_rename_replaces_an_empty_directory_by_a_directory.needs(EmptyDirectories);
                an_empty_directory_is_renamed.needs(EmptyDirectories);
                a_directory_is_not_renamed_into_itself;
                a_rename_onto_itself_changes_nothing;
                a_rename_compares_the_etag_of_its_target.needs(ConditionalWrite);
                a_rename_changes_the_etag_at_its_target.needs(ConditionalWrite);
                of_racing_renames_to_one_target_exactly_one_wins.needs(ExclusiveCreate, AtomicRename);
                a_file_is_renamed_by_exactly_one_of_many.needs(ExclusiveCreate, AtomicRename);
            }
            session {
                a_session_excludes_those_of_other_tasks.needs(Sessions);
                a_dropped_session_is_over.needs(Sessions);
                a_session_is_waited_for_no_longer_than_asked.needs(Sessions);
                a_timeout_of_zero_tries_once.needs(Sessions);
                a_task_may_open_sessions_within_its_own.needs(Sessions);
                a_waiting_task_gets_the_session_when_it_ends.needs(Sessions);
                sessions_never_overlap.needs(Sessions);
                a_cancelled_waiter_leaves_the_queue.needs(Sessions).cancels();
                a_session_can_end_on_another_task.needs(Sessions);
                a_session_ends_with_a_task_that_panics.needs(Sessions);
                another_handle_onto_the_store_is_excluded.needs(Sessions);
                operations_go_on_during_a_session.needs(Sessions);
            }
            capability {
                a_store_without_append_says_so.lacks(Append);
                a_store_without_empty_directories_says_so.lacks(EmptyDirectories);
                a_store_without_sessions_says_so.lacks(Sessions);
                a_store_without_conditional_writes_says_so.lacks(ConditionalWrite);
                sessions_across_processes_exclude_within_one_too.needs(CrossProcessSessions);
                capabilities_do_not_change;
                pointers_to_a_store_are_stores;
            }
            cancel {
                a_dropped_create_leaves_all_or_nothing.cancels();
                a_dropped_overwrite_leaves_the_old_or_the_new.cancels();
                a_streamed_write_dropped_before_its_end_leaves_nothing.cancels();
                a_streamed_overwrite_dropped_before_its_end_leaves_the_old.cancels();
                a_dropped_update_leaves_the_old_or_the_new.cancels();
                a_dropped_append_is_added_whole_or_not_at_all.needs(Append).cancels();
                a_dropped_recursive_deletion_takes_all_or_nothing.cancels();
                a_dropped_copy_leaves_all_or_nothing.cancels();
                a_dropped_rename_of_a_file_is_done_or_not.needs(AtomicRename).cancels();
                a_dropped_rename_of_a_directory_is_done_or_not.needs(AtomicRename).cancels();
                a_dropped_create_dir_makes_the_directory_or_nothing.needs(EmptyDirectories).cancels();
                dropped_reads_leave_no_trace.cancels();
            }
        }
    };
}

/// One case as a value.
#[doc(hidden)]
#[macro_export]
macro_rules! __case {
    ($topic:ident $case:ident $(. $method:ident ( $($capability:ident),* ))*) => {
        $crate::testing::Case::new(stringify!($case), |store| {
            ::std::boxed::Box::pin($crate::testing::cases::$topic::$case(store))
        })
        $(.$method(&[$($crate::Capability::$capability),*]))*
    };
}

/// Makes a module with one `#[test]` for each case of the suite.
///
/// The first argument names the module, and so the tests: `memory::create_refuses_to_replace_a_file`. The second is an
/// expression for a [`Fixture`](crate::testing::Fixture); each test evaluates it anew.
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
                reason = "the fixture is whatever its user can see"
            )]
            use super::*;

            $crate::__with_all_cases!([$crate::__tests] { $fixture });
        }
    };
}

/// One test for each case.
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

macro_rules! values {
    ($($topic:ident { $($case:ident $(. $method:ident $capabilities:tt)*;)* })*) => {
        vec![$($($crate::__case!($topic $case $(. $method $capabilities)*)),*),*]
    };
}

/// All cases, for a test harness other than `#[test]`.
#[must_use]
pub fn all_cases() -> Vec<Case> {
    __with_all_cases!([values])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// The names of all cases in the files of this directory.
    fn written() -> Vec<String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/cases");
        let mut names = Vec::new();
        for file in fs::read_dir(directory).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let cases = text.lines().filter_map(|line| line.strip_prefix("pub async fn "));
            names.extend(cases.map(|case| case[..case.find('(').unwrap()].to_owned()));
        }
        names
    }

    #[test]
    fn no_case_is_missing_from_the_list() {
        let written = written();
        let unique: BTreeSet<&str> = written.iter().map(String::as_str).collect();
        assert_eq!(unique.len(), written.len(), "two cases of one name");
        let listed: BTreeSet<&str> = super::all_cases().iter().map(super::Case::name).collect();
        assert_eq!(listed, unique);
    }
}
