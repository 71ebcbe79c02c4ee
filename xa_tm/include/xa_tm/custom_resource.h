#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xa_tm/branch.h"
#include "xa_tm/connection.h"
#include "xa_tm/datasource.h"

namespace xa_tm {

/// How a branch of a CustomResource votes; a branch that can't commit throws instead.
enum class Vote {
    prepared,   ///< it commits or rolls back as it is told later, whatever happens in between
    read_only,  ///< it wrote nothing, and is finished (XA §2.3.2: the read-only optimization)
};

/// What the application does in one branch of a CustomResource, until that is prepared or ends. A
/// resource derives its own from it and adds what the application calls.
///
/// The promise: it is undone by its destructor, and by the death of the process, unless prepare()
/// has returned Vote::prepared. What others see of it before it commits is the resource's choice;
/// a branch that overwrites what another one may still change has to be refused or to wait.
///
/// Ownership: owned by the branch's connection; destroyed at the latest when the transaction's
/// scope ends, and before its CustomResource.
/// Thread safety: one thread at a time.
class CustomWork {
public:
    CustomWork() = default;
    CustomWork(const CustomWork&) = delete;
    CustomWork& operator=(const CustomWork&) = delete;
    virtual ~CustomWork() = default;

    /// XA §3.3, xa_prepare: makes the work, and that it belongs to this xid, durable; it may be
    /// committed by another process then, so it returns only after the medium has confirmed it.
    /// Nothing more is asked of the object. An exception is a vote to roll back and leaves nothing
    /// that recover() lists; its words are in the report.
    [[nodiscard]] virtual Vote prepare() = 0;

    /// Verb::execute, Branch::execute(): one statement of the application, which has no arguments;
    /// gives the number of rows that it wrote or gave. An exception is the statement's failure and
    /// leaves the branch as it was. As long as it is not overridden it throws.
    virtual std::uint64_t execute(const std::string& statement);
};

/// A resource of the application's own that takes part in global transactions: a folder of files, a
/// cache, a device. It is called back synchronously, by the thread whose transaction it concerns or
/// by that of recovery, so what it does slowly holds the locks of all other branches.
///
/// The promise that it makes to the transaction manager (XA §2.3, §3.3):
/// - what CustomWork::prepare() has answered with Vote::prepared is listed by recover(), in every
///   process that opens the same data, until commit() or rollback() of its xid has returned;
/// - commit() and rollback() are atomic, each by itself: whoever dies in one leaves the branch
///   wholly prepared or wholly finished, or what the next call of recover() finishes before it
///   lists;
/// - a prepared branch decides nothing by itself, and does not expire;
/// - what a dead process had not prepared is gone, without anybody who would have to end it.
///
/// An exception of any callback is caught. Its words go to the report or to the log.
///
/// Ownership: owned by its CustomDatasource.
/// Thread safety: all members are called from several threads at once; the works of several
/// branches are used by several threads at once, too.
class CustomResource {
public:
    CustomResource() = default;
    CustomResource(const CustomResource&) = delete;
    CustomResource& operator=(const CustomResource&) = delete;
    virtual ~CustomResource() = default;

    /// Which data this is: the same text, whichever process asks, as long as it is the same data,
    /// and another one for other data, so that recovery never takes an empty folder for the one
    /// that has lost its branches. Kept with the data and made with it. An exception means that the
    /// resource can't be reached now.
    [[nodiscard]] virtual std::string identity() const = 0;

    /// XA §3.3, xa_start: opens a branch; its xid has never been given before. An exception refuses
    /// it.
    [[nodiscard]] virtual std::unique_ptr<CustomWork> start(const Xid& xid) = 0;

    /// XA §3.3, xa_commit: finishes a prepared branch, of whatever session or process; its work is
    /// visible and durable on return. False (XAER_NOTA) when no branch is prepared under this xid,
    /// which after a repetition is the usual case. After an exception it is asked again, as often
    /// as it takes.
    [[nodiscard]] virtual bool commit(const Xid& xid) = 0;
    /// XA §3.3, xa_rollback: the same, and nothing is left of the work.
    [[nodiscard]] virtual bool rollback(const Xid& xid) = 0;

    /// XA §3.3, xa_recover: the xids of all prepared branches, also of other transaction managers
    /// and other processes, byte for byte. A list that may lack one is no answer: throw then.
    [[nodiscard]] virtual std::vector<Xid> recover() = 0;

    /// What a prepared branch keeps from others, for people to read. As long as it is not
    /// overridden, it says that it does not tell.
    [[nodiscard]] virtual Holdings holdings(const Xid& xid);
};

/// What all CustomDatasource have in common, whatever they hold.
///
/// Ownership: as Datasource; owns the resource.
/// Thread safety: all members may be called from several threads at once.
class AnyCustomDatasource : public Datasource {
public:
    /// Throws Error (invalid_configuration): the resource is null, or is to be the last resource,
    /// which only a database can be.
    AnyCustomDatasource(std::string name, std::unique_ptr<CustomResource> resource,
                        DatasourceOptions options);

    [[nodiscard]] std::string_view kind() const noexcept override { return "custom"; }
    /// Throws Error (resource_unreachable) with the words of what CustomResource::identity()
    /// throws.
    [[nodiscard]] std::unique_ptr<Connection> connect(const SessionMark& mark) override;

protected:
    [[nodiscard]] CustomResource& custom_resource() noexcept { return *resource_; }
    /// Throws Error (invalid_state) unless the branch is open.
    [[nodiscard]] static CustomWork& any_work_of(Connection& connection);

private:
    std::unique_ptr<CustomResource> resource_;
};

/// Makes a resource of the application's own a datasource. `R` derives from CustomResource, and its
/// start() gives an `R::Work`, which derives from CustomWork:
///
///     auto& files = tm.add<xa_tm::CustomDatasource<FileStore>>(
///         "files", std::make_unique<FileStore>("/var/lib/shop/avatars"));
///     tx.enlist(files)->write("ada.png", bytes);
///
/// Ownership: as Datasource; owns the resource.
/// Thread safety: all members may be called from several threads at once.
template <class R>
class CustomDatasource final : public AnyCustomDatasource {
public:
    /// The application's way into one branch.
    ///
    /// Ownership: a light handle, valid until the Transaction that gave it has ended its scope.
    /// Thread safety: one thread at a time, the one that uses the Transaction.
    class Branch : public xa_tm::Branch {
    public:
        explicit Branch(const xa_tm::Branch& branch) noexcept : xa_tm::Branch{branch} {}

        /// The branch's work, opened at the first use; not to be kept, because it ends with the
        /// branch. Throws Error: resource_refused with the words of what R::start() throws;
        /// invalid_state when the branch has ended.
        [[nodiscard]] typename R::Work* operator->() const { return &work_of(connection()); }
    };

    CustomDatasource(std::string name, std::unique_ptr<R> resource, DatasourceOptions options = {})
        : AnyCustomDatasource{std::move(name), std::move(resource), options} {}

    /// The resource itself, for what the application does outside of transactions.
    [[nodiscard]] R& resource() noexcept { return dynamic_cast<R&>(custom_resource()); }

    /// What Branch gives of the branch that is open on a connection which this class has made.
    [[nodiscard]] static typename R::Work& work_of(Connection& connection) {
        return dynamic_cast<typename R::Work&>(any_work_of(connection));
    }
};

}  // namespace xa_tm
